"""What holds for all data of captioned clips, whatever a clip is."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jaxmm.config import differences
from jaxmm.data.folder import write_motion_folder
from jaxmm.data.motion_text import MotionText
from jaxmm.data.sign_text import SignText
from jaxmm.data.splits import FileSplit, HashSplit
from jaxmm.data.transforms import Augmentation
from jaxmm.errors import ConfigError, DataError

from .kinds import BATCH_SIZE, SEED, assert_equal, clips_of, first_batches, make_clip, motions_of, write_signs

VIVID = Augmentation(mirror_rate=0.5, speed_range=(0.8, 1.25), yaw_range=30.0)


@dataclasses.dataclass(frozen=True)
class Kind:
    """One kind of captioned data, opened over ten clips of training and a few of each other split."""

    settings: Any
    data: Any
    assets: Path
    recordings: Any
    write: Callable
    keys_of: Callable
    frames: str
    mask: str
    texts: tuple[str, ...]
    num_held_out: tuple[int, int]
    random: dict[str, Any]
    content: str
    changed_text: dict[str, Any]

    def reopened(self, **changes):
        """The same run with other settings."""
        return dataclasses.replace(self.settings, **changes).open(self.assets)

    def vivid(self, **changes):
        """The same run with everything random that there is."""
        return self.reopened(**self.random, **changes)


@pytest.fixture(scope="module", params=["motions", "signs"])
def kind(request, tmp_path_factory):
    assets = tmp_path_factory.mktemp("assets")
    if request.param == "motions":
        settings = request.getfixturevalue("settings")
        recordings = request.getfixturevalue("motions")
        return Kind(
            settings=settings,
            data=settings.open(assets),
            assets=assets,
            recordings=recordings,
            write=lambda motions, root: write_motion_folder(motions, root),
            keys_of=motions_of,
            frames="motion",
            mask="motion_mask",
            texts=tuple(sorted({text for motion in recordings[:10] for text in motion.captions})),
            num_held_out=(3, 5),
            random={"augmentation": VIVID},
            content="positions",
            changed_text={"captions": ("a person walks left twice",)},
        )
    settings = request.getfixturevalue("signs")
    return Kind(
        settings=settings,
        data=settings.open(assets),
        assets=assets,
        recordings=request.getfixturevalue("clips"),
        write=write_signs,
        keys_of=clips_of,
        frames="frames",
        mask="frame_mask",
        texts=tuple(f"SIGN{number} HOUSE" for number in range(10)),
        num_held_out=(3, 2),
        random={},
        content="frames",
        changed_text={"gloss": "HOUSE SIGN1"},
    )


# Training batches


def test_the_same_seed_gives_the_same_batches_and_another_seed_others(kind):
    data = kind.vivid()
    one, same = first_batches(data, 5), first_batches(data, 5)
    for ours, theirs in zip(one, same, strict=True):
        assert_equal(ours, theirs)
    other = next(iter(data.train_batches(seed=SEED + 1)))
    assert not np.array_equal(one[0][kind.frames], other[kind.frames])


@pytest.mark.parametrize("balance", [0.0, 1.0])
@pytest.mark.parametrize("num_processes", [2, 4])
def test_processes_together_read_the_global_batch(num_processes, balance, kind):
    data = kind.vivid(balance=balance)
    parts = [first_batches(data, 4, process=process, num_processes=num_processes) for process in range(num_processes)]
    for step, batch in enumerate(first_batches(data, 4)):
        shared = [part[step] for part in parts]
        assert_equal(batch, {name: np.concatenate([rows[name] for rows in shared]) for name in batch})


@pytest.mark.parametrize("num_threads", [2, 5])
def test_the_number_of_threads_changes_nothing(num_threads, kind):
    threaded = first_batches(kind.vivid(num_threads=num_threads), 6)
    for ours, theirs in zip(first_batches(kind.vivid(), 6), threaded, strict=True):
        assert_equal(ours, theirs)


@pytest.mark.parametrize("num_steps", [0, 1, 3])  # at the start, in the middle and after the end of an epoch
def test_an_iterator_continues_exactly_where_its_state_was_taken(num_steps, kind):
    batches = kind.vivid().train_batches(seed=SEED)
    for _ in range(num_steps):
        next(batches)
    state = json.loads(json.dumps(batches.get_state()))
    expected = [next(batches) for _ in range(4)]
    resumed = kind.vivid(num_threads=3).train_batches(seed=SEED)
    resumed.set_state(state)
    for batch in expected:
        assert_equal(next(resumed), batch)


def test_a_balanced_order_continues_exactly_where_its_state_was_taken(kind):
    batches = kind.reopened(balance=1.0).train_batches(seed=SEED)
    states, expected = [], []
    for _ in range(6):
        states.append(json.loads(json.dumps(batches.get_state())))
        expected.append(next(batches))
    batches.set_state(states[3])
    for batch in expected[3:]:
        assert_equal(next(batches), batch)


def test_every_clip_comes_once_an_epoch_in_a_new_order(kind):
    whole = kind.reopened(batch_size=5)
    assert whole.steps_per_epoch == 2
    batches = first_batches(whole, 6)
    epochs = [kind.keys_of(whole, batches[step]) + kind.keys_of(whole, batches[step + 1]) for step in (0, 2, 4)]
    assert [sorted(epoch) for epoch in epochs] == [[f"train_{number}" for number in range(10)]] * 3
    assert len({tuple(epoch) for epoch in epochs}) == 3


def test_an_epoch_leaves_out_what_fills_no_batch(kind):
    assert kind.data.steps_per_epoch == 2  # ten clips in batches of four
    first, second, third = (kind.keys_of(kind.data, batch) for batch in first_batches(kind.data, 3))
    assert len({*first, *second}) == 8
    assert len(set(third)) == 4


def test_shapes_and_types_are_those_of_the_sample_and_the_blank_batch(kind):
    data = kind.vivid()
    sample = data.sample_batch()
    for batch in first_batches(data, 3):
        assert {n: (v.shape, v.dtype) for n, v in batch.items()} == {n: (v.shape, v.dtype) for n, v in sample.items()}
    assert sample[kind.frames].dtype == np.float32
    assert sample["token_ids"].dtype == np.int32
    blank = kind.settings.blank_batch()
    assert {n: (v.ndim, v.dtype) for n, v in blank.items()} == {n: (v.ndim, v.dtype) for n, v in sample.items()}
    assert blank["token_ids"].shape == blank["token_mask"].shape == (1, 12)
    assert not blank[kind.frames].any()


def test_masks_mark_a_beginning_and_zeros_follow(kind):
    for batch in first_batches(kind.vivid(), 5):
        lengths = batch[kind.mask].sum(axis=1)
        assert lengths.min() >= 1
        np.testing.assert_array_equal(batch[kind.mask], np.arange(batch[kind.mask].shape[1]) < lengths[:, None])
        assert not batch[kind.frames][~batch[kind.mask]].any()
        assert not batch["token_ids"][~batch["token_mask"]].any()
        assert batch["example_mask"].all()


def test_training_texts_are_each_once_and_in_full_batches(kind):
    batches = list(kind.data.training_texts())
    assert [batch["token_ids"].shape[0] for batch in batches] == [BATCH_SIZE] * -(-len(kind.texts) // BATCH_SIZE)
    rows = np.concatenate([batch["token_ids"] for batch in batches])[: len(kind.texts)]
    expected = kind.data.tokenizer(list(kind.texts), num_tokens=rows.shape[1])[0]
    np.testing.assert_array_equal(rows, expected)


def test_fewer_clips_than_a_batch_are_refused(kind):
    """D12."""
    large = kind.reopened(batch_size=11)
    message = r"data\.batch_size is 11, but the training split has 10 clips; set it to 10 or less"
    with pytest.raises(ConfigError, match=message):
        _ = large.steps_per_epoch
    with pytest.raises(ConfigError, match=message):
        large.train_batches(seed=SEED)


def test_a_batch_that_processes_cannot_share_is_refused(kind):
    with pytest.raises(ConfigError, match=r"data.batch_size is 4, which 3 processes cannot share equally"):
        kind.data.train_batches(seed=0, process=0, num_processes=3)


# Splits


def test_an_unknown_split_is_refused_with_those_there_are(kind):
    val, test = kind.num_held_out
    held = rf"train \(10\), val \({val}\), test \({test}\)$"
    with pytest.raises(ConfigError, match=rf"there is no 'dev' in the data; choose among {held}"):
        kind.data.split("dev")


def test_an_empty_split_is_absent(kind, tmp_path):
    split = HashSplit(num_buckets=2, test=(0,))
    data = dataclasses.replace(kind.settings, split=split).open(tmp_path / "assets")
    assert data.has_split("train")
    assert data.has_split("test")
    assert not data.has_split("val")
    with pytest.raises(ConfigError, match=r"there is no 'val' in the data; choose among train \(\d+\), test \(\d+\)$"):
        data.split("val")


def test_a_split_file_of_other_clips_is_refused(kind, tmp_path):
    keys = [recording.key for recording in kind.recordings]
    path = tmp_path / "split.json"
    settings = dataclasses.replace(kind.settings, split=FileSplit(path=str(path)))
    path.write_text(json.dumps({"train": keys[:-1]}))
    with pytest.raises(DataError, match=rf"split\.json: '{keys[-1]}' .* of the data have no split; add them"):
        settings.open(tmp_path / "assets")
    path.write_text(json.dumps({"train": ["nobody", *keys]}))
    with pytest.raises(DataError, match=r"split\.json: 'nobody' .* are not in the data; remove them"):
        settings.open(tmp_path / "assets")


def test_the_tokenizer_knows_the_words_of_training_only(kind, make_motion, tmp_path):
    splits = {"known": "train", "unseen": "test"}
    if isinstance(kind.settings, SignText):
        recordings = [make_clip(f"{text}_0", gloss=text, tags={"split": split}) for text, split in splits.items()]
    else:
        recordings = [make_motion(text, captions=(text,), tags={"split": split}) for text, split in splits.items()]
    kind.write(recordings, tmp_path / "two")
    data = dataclasses.replace(kind.settings, root=str(tmp_path / "two")).open(tmp_path / "assets")
    ids, _ = data.tokenizer(["known unseen"])
    assert ids[0, 2] == 1 != ids[0, 1]


# Fingerprint


def differing(one, other):
    """The fields in which the fingerprints of two opened data differ, without their values."""
    lines = differences(one.fingerprint(seed=SEED), other.fingerprint(seed=SEED))
    return {line.split(": ")[0] for line in lines}


def test_the_fingerprint_says_nothing_of_threads_and_places(kind, tmp_path):
    assert json.loads(json.dumps(kind.data.fingerprint(seed=SEED))) == kind.data.fingerprint(seed=SEED)
    kind.write(kind.recordings, tmp_path / "elsewhere")
    assert differing(kind.data, kind.reopened(root=str(tmp_path / "elsewhere"), num_threads=7)) == set()


def test_the_fingerprint_names_a_setting_and_a_split_that_change(kind):
    assert differing(kind.data, kind.reopened(batch_size=2)) == {"data.batch_size"}
    hashed = differing(kind.data, kind.reopened(split=HashSplit(num_buckets=3, test=(0,))))
    assert any(name.startswith("data.split") for name in hashed)
    assert any(name.startswith("data.clips.") and name.endswith(".split") for name in hashed)


def test_the_fingerprint_names_a_clip_that_changes(kind, tmp_path):
    def changed(name, **changes):
        recordings = [dataclasses.replace(r, **changes) if r.key == "train_1" else r for r in kind.recordings]
        kind.write(recordings, tmp_path / name)
        return differing(kind.data, kind.reopened(root=str(tmp_path / name)))

    (one,) = (recording for recording in kind.recordings if recording.key == "train_1")
    moved = getattr(one, kind.content) + np.float32(1e-3)
    assert changed("moved", **{kind.content: moved}) == {"data.clips.train_1.frames"}
    assert changed("noted", tags={"split": "train", "note": "better light"}) == set()
    assert {"data.clips.train_1.texts", "data.tokens"} <= changed("told", **kind.changed_text)


# Settings


@pytest.mark.parametrize("settings", [MotionText, SignText])
@pytest.mark.parametrize("name", ["max_tokens", "batch_size", "num_threads"])
@pytest.mark.parametrize("value", [0, -1])
def test_numbers_out_of_range_are_refused(settings, name, value):
    with pytest.raises(ConfigError, match=rf"data\.{name} is {value}; give a value above zero"):
        settings(**{name: value})


@pytest.mark.parametrize("settings", [MotionText, SignText])
@pytest.mark.parametrize("balance", [-0.1, 1.1, float("nan")])
def test_a_balance_out_of_range_is_refused(settings, balance):
    with pytest.raises(ConfigError, match=rf"data\.balance is {balance}; give a number from 0 to 1"):
        settings(balance=balance)
