"""How well runs tell which videos of a split are alike, and what is drawn of it."""

import dataclasses

import numpy as np
import pytest

from jaxmm.errors import ConfigError
from jaxmm.similarity.evaluation import ScoredPairs, evaluate_similarity, scored_pairs

from .conftest import DATA


def test_pairs_are_scored_by_the_probability_of_their_videos(model):
    pairs = scored_pairs([model], split="test")
    data = model.open_similar()
    clips = {clip.key: clip for clip in data.clips("test")}
    assert len(pairs.scores) == len(data.pairs("test")) == len(pairs.names)
    for place in (0, len(pairs.names) - 1):
        a, b = (clips[key] for key in pairs.names[place])
        assert pairs.same[place] == (a.label == b.label)
        assert pairs.scores[place] == pytest.approx(model.similar(a.frames, b.frames), abs=1e-5)
    assert pairs.similarity is not None and pairs.similarity.shape == (len(clips),) * 2


def test_runs_are_averaged_and_must_compare_the_same_videos(model, untrained):
    other = untrained(1)
    alone = [scored_pairs([own], split="test").scores for own in (model, other)]
    np.testing.assert_allclose(scored_pairs([model, other], split="test").scores, np.mean(alone, axis=0), atol=1e-6)
    fewer = untrained(0, dataclasses.replace(DATA, source=dataclasses.replace(DATA.source, num_test=1)))
    with pytest.raises(ConfigError, match="compares other videos than"):
        scored_pairs([model, fewer], split="test")


def test_scores_are_named_by_their_split(model):
    scores = evaluate_similarity([model], split="test", num_resamples=5)
    assert {"test/roc_auc", "test/eer", "test/retrieval/map", "test/roc_auc/low"} <= set(scores)
    assert 0 <= scores["test/roc_auc"] <= 1
    with pytest.raises(ConfigError, match="there is no 'all' in the data"):
        evaluate_similarity([model], split="all")


def test_a_table_has_a_row_for_each_pair_beside_the_pictures(model, tmp_path):
    pytest.importorskip("matplotlib", reason="needs the extra 'plots'")
    evaluate_similarity([model], split="test", pictures=tmp_path / "pictures")
    names = sorted(path.name for path in (tmp_path / "pictures").iterdir())
    assert names == ["curves.png", "pairs.csv", "scores.png"]
    head, *rows = (tmp_path / "pictures" / "pairs.csv").read_text().splitlines()
    assert head == "a,b,label,kind,score"
    assert len(rows) == len(model.open_similar().pairs("test"))


def test_a_list_of_pairs_has_no_search():
    pairs = ScoredPairs(
        scores=np.array([0.9, 0.2, 0.6], np.float32),
        same=np.array([True, False, True]),
        kinds=np.array(["logo", "unrelated", "cropped"]),
        units=np.array([[0, 0], [0, 1], [1, 1]]),
        names=[("a", "b")] * 3,
    )
    found = pairs.metrics()
    assert found["roc_auc"] == 1.0
    assert not any(name.startswith("retrieval/") for name in found)
