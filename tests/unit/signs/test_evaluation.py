"""Comparing what a generator and an autoencoder that have learnt nothing sign."""

import dataclasses

import numpy as np
import pytest

from jaxmm import Experiment, MotionText, SignAutoencoder, SignAutoencoderTask, SignMotions
from jaxmm.errors import ConfigError
from jaxmm.evaluate.frechet import frechet_distance
from jaxmm.model import Model
from jaxmm.signs.evaluation import evaluate_reconstruction, evaluate_signing


def test_signing_is_compared_with_real_clips_and_baselines(model, sign_data):
    scores = evaluate_signing(model, split="val", seed=1)
    answers, metrics = ("signing", "mean_pose", "random_clip", "nearest_text"), ("ndtw_mje", "ape", "length_error")
    expected = {f"val/{answer}/{metric}" for answer in answers for metric in metrics}
    assert set(scores) == expected | {"val/signing/diversity", "val/real/diversity"}
    assert all(np.isfinite(list(scores.values())))
    assert scores["val/mean_pose/length_error"] == 0
    assert scores["val/signing/ndtw_mje"] > scores["val/mean_pose/ndtw_mje"]  # it has learnt nothing
    assert evaluate_signing(model, split="val", seed=1) == scores
    on_train = evaluate_signing(model, split="train")
    assert on_train["train/nearest_text/ndtw_mje"] == 0  # the real clips themselves
    with pytest.raises(ConfigError, match="there is no 'tset'"):
        evaluate_signing(model, split="tset")


def test_a_split_of_one_clip_is_scored_without_diversity(sign_task, sign_settings, tmp_path, variables):
    alone = dataclasses.replace(sign_settings, source=dataclasses.replace(sign_settings.source, num_held_out=1))
    alone.open(tmp_path / "assets")
    scores = evaluate_signing(Model(tmp_path, Experiment(task=sign_task, data=alone), *variables, step=0), split="test")
    assert scores["test/signing/ndtw_mje"] > 0
    assert not [name for name in scores if name.endswith("diversity")]


# Judges


@pytest.fixture(scope="module")
def reader(untrained, task, sign_settings, tmp_path_factory):
    """A retrieval run on the same signing, which has learnt nothing."""
    run = tmp_path_factory.mktemp("reader")
    settings = MotionText(source=SignMotions(signs=sign_settings.source), fps=5.0, num_frames=16, batch_size=4)
    data = settings.open(run / "assets")
    return Model(run, Experiment(task=task, data=settings), *untrained(task, data), step=0)


@pytest.fixture(scope="module")
def autoencoder(untrained, sign_settings, sign_data):
    task = SignAutoencoderTask(autoencoder=SignAutoencoder(hidden_dim=8, code_dim=2))
    return Model(
        sign_data.assets.parent, Experiment(task=task, data=sign_settings), *untrained(task, sign_data), step=0
    )


def test_a_reader_and_an_autoencoder_judge_every_answer_and_the_real_clips(model, reader, autoencoder, sign_data):
    scores = evaluate_signing(model, split="test", num_resamples=20, back_translation=reader, autoencoder=autoencoder)
    for answer in ("signing", "mean_pose", "random_clip", "nearest_text", "real"):
        assert scores[f"test/{answer}/back_translation/chance"] == pytest.approx(1 / 3)
        assert 0 <= scores[f"test/{answer}/back_translation/recall@1"] <= 1
        low, high = (scores[f"test/{answer}/back_translation/median_rank/{end}"] for end in ("low", "high"))
        assert 1 <= low <= scores[f"test/{answer}/back_translation/median_rank"] <= high <= 3
        assert scores[f"test/{answer}/frechet"] >= 0
    low, high = (scores[f"test/signing/ndtw_mje/{end}"] for end in ("low", "high"))
    assert low <= scores["test/signing/ndtw_mje"] <= high
    real, train = (
        autoencoder.coder.codes(autoencoder.params, {}, [clip.frames for clip in sign_data.clips(split)])
        for split in ("test", "train")
    )
    assert scores["test/real/frechet"] == pytest.approx(frechet_distance(train, real), rel=1e-3)


def test_real_clips_are_as_near_to_themselves_as_can_be(model, autoencoder):
    scores = evaluate_signing(model, split="train", autoencoder=autoencoder)
    assert scores["train/real/frechet"] == pytest.approx(0, abs=1e-6)


def test_a_reader_of_other_motions_or_texts_is_refused(model, reader, settings):
    sentences = dataclasses.replace(reader.experiment.data.source, text="sentence")
    for other in (settings, dataclasses.replace(reader.experiment.data, source=sentences)):
        experiment = dataclasses.replace(reader.experiment, data=other)
        judge = Model(reader.run, experiment, reader.params, reader.collections, step=0)
        with pytest.raises(ConfigError, match=r"was not trained to tell the gloss of signing; .*SignMotions"):
            evaluate_signing(model, split="test", back_translation=judge)


def test_an_autoencoder_is_scored_by_what_it_tells_again(autoencoder, sign_data):
    scores = evaluate_reconstruction(autoencoder, split="val", num_resamples=10)
    assert set(scores) == {f"val/reconstruction/ape{end}" for end in ("", "/low", "/high")}
    assert scores["val/reconstruction/ape/low"] <= scores["val/reconstruction/ape"]
