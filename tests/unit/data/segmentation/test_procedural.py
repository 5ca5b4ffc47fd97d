"""Synthetic recipes: reproducible, made of parts, and dim enough that a frame alone does not tell its action."""

import hashlib
import subprocess
import sys

import numpy as np
import pytest

from jaxmm.data.segmentation.procedural import (
    NULL,
    OBJECTS,
    VERBS,
    VOCABULARY,
    WRONG,
    segments,
    unseen_labels,
)
from jaxmm.errors import ConfigError

NUM_LABELS = VOCABULARY.num_labels
PARTS = (*VERBS, *OBJECTS, NULL, WRONG)
MADE_OF = np.array([[part in label.split("_") for part in PARTS] for label in VOCABULARY.labels], float)


def made(split="train", num_videos=4, **settings):
    return list(segments(split, **{"seed": 0, "num_videos": num_videos, "dim": 32, **settings}))


def around(features, reach):
    """Joins each frame's features with those of the frames beside it."""
    places = np.arange(len(features))[:, None] + np.arange(-reach, reach + 1)
    return features[np.clip(places, 0, len(features) - 1)].reshape(len(features), -1)


def leading_change(videos):
    """The direction in which frames differ most from those before."""
    steps = np.concatenate([np.diff(video.features.astype(float), axis=0) for video in videos])
    return np.linalg.eigh(steps.T @ steps)[1][:, -1]


def paces(features, direction, reach=4):
    """How much features change along a direction over one, two and more frames, which says how fast they sway."""
    near = around((features @ direction)[:, None], reach)
    return np.stack([np.abs(near[:, lag:] - near[:, :-lag]).mean(axis=1) for lag in (1, 2, 3, 5)], axis=1)


def joined(videos, shown):
    return (
        np.concatenate([np.pad(shown(video.features.astype(float)), ((0, 0), (0, 1)), constant_values=1.0)
                        for video in videos]),
        np.concatenate([video.labels for video in videos]),
    )  # fmt: skip


def fitted(inputs, targets):
    """Least squares with a little shrinkage."""
    return np.linalg.solve(inputs.T @ inputs + 10 * np.eye(inputs.shape[1]), inputs.T @ targets)


@pytest.fixture(scope="module")
def train():
    return made("train", 40)


@pytest.fixture(scope="module")
def test():
    return made("test", 20)


def linear_accuracy(train, test, shown):
    inputs, labels = joined(train, shown)
    weights = fitted(inputs, np.eye(NUM_LABELS)[labels])
    inputs, labels = joined(test, shown)
    return ((inputs @ weights).argmax(axis=1) == labels).mean()


def nearest_by_parts(train, test, shown):
    """Returns which label's parts a linear map of frames comes nearest to, and the true labels."""
    inputs, labels = joined(train, shown)
    weights = fitted(inputs, MADE_OF[labels])
    inputs, labels = joined(test, shown)
    return np.square((inputs @ weights)[:, None] - MADE_OF).sum(axis=-1).argmin(axis=1), labels


# What is made


def test_videos_say_what_they_are():
    videos = made("val", 3)
    assert [video.key for video in videos] == ["val-0", "val-1", "val-2"]
    for video in videos:
        assert (video.tags["origin"], video.tags["split"], video.fps, video.dim) == ("synthetic", "val", 15.0, 32)
        assert video.tags["subject"].startswith("subject")
        assert 80 <= video.num_frames <= 700


def test_labels_are_described_as_verb_and_object():
    assert len(VERBS) * len(OBJECTS) + 2 == NUM_LABELS
    described = dict(zip(VOCABULARY.labels, VOCABULARY.descriptions, strict=True))
    assert described["cut_tomato"] == "cut the tomato"
    assert (described[NULL], described[WRONG]) == ("no action or transition", "a mistake")


def test_every_label_is_shown_in_training_and_in_testing(train, test):
    for videos in (train, test):
        assert len(np.unique(np.concatenate([video.labels for video in videos]))) == NUM_LABELS


def test_recipes_follow_the_machine(train):
    follows = {(VOCABULARY.labels[before], VOCABULARY.labels[after]) for video in train
               for before, after in zip(video.labels, video.labels[1:], strict=False) if before != after}  # fmt: skip
    pairs = {tuple(label.split("_")[0] for label in pair) for pair in follows if "_" in pair[0] and "_" in pair[1]
             and pair[0].split("_")[1] == pair[1].split("_")[1]}  # fmt: skip
    assert {("wash", "peel"), ("peel", "wash"), ("cut", "wash"), ("fry", "cut"), ("cut", "serve")} <= pairs
    assert not {("wash", "serve"), ("serve", "wash"), ("peel", "fry"), ("serve", "fry")} & pairs
    sequences = {tuple(video.labels[np.flatnonzero(np.diff(video.labels, prepend=-1))]) for video in train}
    assert len(sequences) == len(train)


# Reproducible


def digest(videos):
    return hashlib.sha256(b"".join(video.features.tobytes() + video.labels.tobytes() for video in videos)).hexdigest()


def test_another_process_makes_the_same():
    code = (
        "import hashlib; from jaxmm.data.segmentation.procedural import segments;"
        "videos = segments('test', seed=5, num_videos=3, dim=16);"
        "print(hashlib.sha256(b''.join(v.features.tobytes() + v.labels.tobytes() for v in videos)).hexdigest())"
    )
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    assert other == digest(made("test", 3, seed=5, dim=16))


def test_seeds_splits_and_places_differ_and_more_videos_change_none_before():
    assert len({digest(made(split, 2, seed=seed)) for split in ("train", "val", "test") for seed in (0, 1)}) == 6
    assert digest(made(num_videos=5)[:3]) == digest(made(num_videos=3))
    assert made(num_videos=0) == []


def test_features_are_smooth_noisy_and_of_a_size_of_about_one(train):
    features = np.concatenate([video.features for video in train])
    assert np.isfinite(features).all()
    assert 1.0 < features.std() < 4.0
    lasting = [np.corrcoef(video.features[:-3, 0], video.features[3:, 0])[0, 1] for video in train]
    assert 0.2 < np.mean(lasting) < 0.9


# How hard it is


def test_a_frame_alone_is_above_chance_and_its_surroundings_help(train, test):
    frame = linear_accuracy(train, test, lambda features: features)
    context = linear_accuracy(train, test, lambda features: around(features, 5))
    commonest = np.bincount(np.concatenate([video.labels for video in test])).max() / sum(v.num_frames for v in test)
    assert commonest < 0.25
    assert commonest + 0.15 < frame < 0.65
    assert context > frame + 0.08


def test_how_fast_features_change_helps_a_little(train, test):
    direction = leading_change(train)

    def moving(features):
        return np.concatenate([around(features, 4), paces(features, direction)], axis=1)

    still = linear_accuracy(train, test, lambda features: around(features, 4))
    assert still + 0.01 < linear_accuracy(train, test, moving) < still + 0.2


def test_unseen_actions_are_left_out_of_training_and_validation_alone():
    unseen = [VOCABULARY.index(label) for label in unseen_labels(5)]
    for split in ("train", "val"):
        assert not any(np.isin(video.labels, unseen).any() for video in made(split, 30, num_unseen=5))
    shown = np.unique(np.concatenate([video.labels for video in made("test", 20, num_unseen=5)]))
    assert set(unseen) <= set(shown.tolist())


def test_training_shows_the_verbs_and_objects_of_unseen_actions_in_others():
    seen = {int(label) for video in made("train", 40, num_unseen=5) for label in np.unique(video.labels)}
    assert len(seen) == NUM_LABELS - 5
    assert MADE_OF[sorted(seen)].any(axis=0).all()
    assert len({label.split("_")[0] for label in unseen_labels(5)}) == 5
    assert len({label.split("_")[1] for label in unseen_labels(5)}) == 5


def test_unseen_actions_are_recognised_by_their_parts(test):
    found, labels = nearest_by_parts(made("train", 40, num_unseen=5), test, lambda f: around(f, 4))
    unseen = np.isin(labels, [VOCABULARY.index(label) for label in unseen_labels(5)])
    assert unseen.sum() > 300
    # Of 27 labels, all of which may be chosen.
    assert (found == labels)[unseen].mean() > 0.4


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"split": "all"}, "no split 'all'; choose one of train, val, test"),
        ({"seed": -1}, "seed=-1"),
        ({"num_videos": -1}, "num_videos=-1"),
        ({"dim": 7}, "dim=7; give seed and number >= 0 and at least 8 features"),
        ({"num_unseen": 6}, "num_unseen=6; give a number from 0 to 5"),
        ({"num_unseen": -1}, "num_unseen=-1"),
    ],
)
def test_numbers_out_of_range_are_refused(settings, message):
    with pytest.raises(ConfigError, match=f"procedural segments: .*{message}"):
        made(**settings)
