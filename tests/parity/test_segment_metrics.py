"""Our metrics of segmentation and alignment against those written naively from the papers' formulas."""

import numpy as np
import pytest

from jaxmm.evaluate.alignment import alignment_scores
from jaxmm.evaluate.segments import BOUNDARIES, OVERLAPS, scores_of, segment_ratios, segments_of

from . import segment_metrics as naive

TOLERANCE = 1e-9
NUM_SEQUENCES = 1000


def labelling(rng, num_frames, num_labels):
    """Runs of random labels, from single frames to long ones."""
    longest = int(rng.integers(1, 30))
    labels = []
    while len(labels) < num_frames:
        labels += [int(rng.integers(num_labels))] * int(rng.integers(1, longest + 1))
    return np.array(labels[:num_frames])


def guess_of(rng, true, num_labels):
    """Another labelling, or the true one shifted and spoilt here and there, so that overlaps are of all sizes."""
    if rng.random() < 0.3:
        return labelling(rng, len(true), num_labels)
    guess = np.roll(true, int(rng.integers(-5, 6)))
    spoilt = rng.random(len(true)) < rng.choice([0.0, 0.02, 0.2])
    return np.where(spoilt, rng.integers(0, num_labels, len(true)), guess)


def sequences():
    """One thousand pairs, of few and many frames and labels, some with one or two labels of background."""
    rng = np.random.default_rng(0)
    for _ in range(NUM_SEQUENCES):
        num_labels = int(rng.integers(1, 12))
        true = labelling(rng, int(rng.choice([1, 2, 5, 20, 60, 120])), num_labels)
        background = rng.choice(num_labels, size=min(int(rng.integers(0, 3)), num_labels), replace=False)
        yield guess_of(rng, true, num_labels), true, tuple(background.tolist())


def expected_of(predicted, true, background):
    percent = naive.segmentation_metrics(
        [own.tolist() for own in predicted], [own.tolist() for own in true], background
    )
    return {name.replace(" ", "/"): value / 100 for name, value in percent.items()}


def assert_equal(ours, expected, where):
    assert ours.keys() == expected.keys()
    assert ours == pytest.approx(expected, rel=0, abs=TOLERANCE), where


def test_every_metric_of_a_thousand_sequences_is_that_of_the_formulas():
    seen = {f"f1@{overlap}/{boundary}": set() for overlap in OVERLAPS for boundary in BOUNDARIES}
    apart = 0
    for number, (guess, true, background) in enumerate(sequences()):
        ours = scores_of(segment_ratios([guess], [true], background=background))
        assert_equal(ours, expected_of([guess], [true], background), number)
        runs = [tuple(run) for run in naive.segments(true.tolist(), background)]
        assert [tuple(run) for run in segments_of(true, background=background).tolist()] == runs
        for name, values in seen.items():
            values.add(round(ours[name], 6))
        apart += any(ours[f"f1@{overlap}/exclusive"] != ours[f"f1@{overlap}/inclusive"] for overlap in OVERLAPS)
    # The sequences tell conventions, overlaps and scores apart.
    assert apart > NUM_SEQUENCES / 20
    assert all(len(values) > 50 for values in seen.values())


def test_metrics_over_several_videos_are_those_of_the_formulas():
    by_background = {}
    for guess, true, background in sequences():
        by_background.setdefault(background if max(background, default=0) < 3 else (), []).append((guess, true))
    for background, videos in by_background.items():
        for start in range(0, len(videos), 10):
            predicted, true = zip(*videos[start : start + 10], strict=True)
            ours = scores_of(segment_ratios(predicted, true, background=background))
            assert_equal(ours, expected_of(predicted, true, background), (background, start))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_alignment_scores_are_those_of_the_formulas(dtype):
    """With descriptions that several labels share, vectors of zeros, and types of label without a frame."""
    rng = np.random.default_rng(1)
    seen = set()
    for number in range(NUM_SEQUENCES // 4):
        num_labels, dim = int(rng.integers(1, 12)), int(rng.integers(1, 6))
        distinct = rng.normal(size=(num_labels, dim)).astype(dtype)
        embeddings = distinct[rng.integers(0, num_labels, num_labels)]
        labels = [rng.integers(0, num_labels, int(rng.integers(1, 9))) for _ in range(int(rng.integers(1, 4)))]
        noise = rng.choice([0.1, 1.0, 3.0])
        features = [(embeddings[own] + noise * rng.normal(size=(len(own), dim))).astype(dtype) for own in labels]
        features[0][0] = 0
        names = [f"label{place}" for place in range(num_labels)]
        null, wrong = names[:1], names[1:3]
        places = list(range(num_labels))
        types = {"actions": places[3:], "null": places[:1], "wrong": places[1:3]}
        ours = alignment_scores(features, labels, embeddings, types=types)
        expected = naive.alignment_metrics_by_type(
            np.concatenate(features), np.concatenate(labels).tolist(), embeddings, names, null, wrong
        )
        frames = {name: ours.pop(f"{name}/frames") for name in expected}
        assert frames["all"] == sum(map(len, labels)) == sum(frames.values()) - frames["all"]
        num_distinct = len({tuple(row) for row in embeddings.tolist()})
        for own in expected.values():
            own.update({f"chance@{rank}": min(1.0, rank / num_distinct) for rank in (1, 5)})
        flat = {f"{kind}/{name}": value for kind, own in expected.items() for name, value in own.items()}
        assert_equal(ours, flat, number)
        seen.add(ours["all/accuracy@1"])
    assert len(seen) > 10
