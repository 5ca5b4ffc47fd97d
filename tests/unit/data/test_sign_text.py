import dataclasses
import itertools
import json
import logging
from pathlib import Path

import numpy as np
import pytest

from jaxmm.config import differences
from jaxmm.data import sign_text
from jaxmm.data.captioned import Captioned, CaptionedData
from jaxmm.data.sign.clip import SignClip
from jaxmm.data.sign.folder import write_sign_folder
from jaxmm.data.sign.layout import HOLISTIC
from jaxmm.data.sign.prepare import resample_signs
from jaxmm.data.sign.sources import ProceduralSigns, SignFolder
from jaxmm.data.sign.statistics import Statistics
from jaxmm.data.sign_text import SignText, packed_signs
from jaxmm.data.splits import FileSplit, HashSplit, TagSplit
from jaxmm.errors import ConfigError, DataError

FPS, MAX_FRAMES, BATCH_SIZE, SEED = 25.0, 8, 4, 3
LENGTHS = {"train": (3, 8, 12, 5, 9, 13, 8, 20, 7, 4), "val": (6, 11, 2), "test": (8, 10)}
LEFT = HOLISTIC.part_features("left_hand")
LEFT_LANDMARKS = HOLISTIC.part_landmarks("left_hand")
NOSE = HOLISTIC.landmark("body/NOSE")


def make_clip(key, num_frames=6, **fields):
    """A clip of random frames, without a left hand where its number is odd, whose nose never moves."""
    frames = np.random.default_rng(list(key.encode())).normal(size=(num_frames, 540)).astype(np.float32)
    frames[:, :3] = 0.5
    frames[:, LEFT] *= 1 - int(key[-1]) % 2
    usual = {"gloss": f"SIGN{key[-1]} HOUSE", "sentence": f"This is {key[-1]}.", "signer": f"s{int(key[-1]) % 3}"}
    return SignClip(**{"key": key, "frames": frames, "fps": FPS, **usual, **fields})


def make_clips():
    """Fifteen clips in three splits; a signer and a sign of testing were never seen, and one more has no gloss."""
    clips = [
        make_clip(f"{split}_{place}", length, tags={"split": split})
        for split, lengths in LENGTHS.items()
        for place, length in enumerate(lengths)
    ]
    clips[-1] = dataclasses.replace(clips[-1], signer="stranger", gloss="UNSEEN")
    return [*clips, make_clip("train_99", 6, gloss=None, tags={"split": "train"})]


def write(clips, root):
    write_sign_folder(clips, root)
    Statistics.of(clip for clip in clips if clip.tags.get("split") == "train").write(root / "statistics.npz")
    return root


@pytest.fixture(scope="module")
def clips():
    return make_clips()


@pytest.fixture(scope="module")
def folder(clips, tmp_path_factory):
    return write(clips, tmp_path_factory.mktemp("signs") / "folder")


@pytest.fixture(scope="module")
def signs(folder, cache):
    """Data settings over `folder`."""
    del cache
    return SignText(
        source=SignFolder(),
        root=str(folder),
        max_frames=MAX_FRAMES,
        max_tokens=12,
        batch_size=BATCH_SIZE,
        num_threads=1,
    )


@pytest.fixture(scope="module")
def opened(signs, tmp_path_factory):
    return signs.open(tmp_path_factory.mktemp("assets"))


@pytest.fixture
def assets(tmp_path):
    return tmp_path / "assets"


def reopened(opened, **changes):
    """The same run with other settings."""
    return dataclasses.replace(opened.settings, **changes).open(opened.assets)


def first_batches(data, num_batches, **which):
    return list(itertools.islice(data.train_batches(seed=SEED, **which), num_batches))


def assert_equal(ours, theirs):
    assert ours.keys() == theirs.keys()
    for name in ours:
        np.testing.assert_array_equal(ours[name], theirs[name])
        assert ours[name].dtype == theirs[name].dtype


def keys_of(data, batch):
    """Which training clips a batch holds, by its first frames."""
    own = {clip.key: data.statistics.normalise(clip.frames[:1])[0] for clip in data.clips("train")}
    return [next(key for key, first in own.items() if np.array_equal(first, row[0])) for row in batch["frames"]]


# What a batch holds


def test_frames_are_normalised_and_can_be_restored_from_their_own_row(opened, clips):
    batch = opened.sample_batch()
    for row, clip in enumerate(clips[:2]):
        seen = batch["frames"][row, : len(clip.frames)]
        np.testing.assert_array_equal(seen, opened.statistics.normalise(clip.frames))
        mask = batch["landmark_mask"][row, : len(clip.frames)][:, HOLISTIC.landmark_of_feature]
        restored = np.where(mask, seen * batch["std"][row] + batch["mean"][row], 0)
        np.testing.assert_allclose(restored, clip.frames, atol=1e-5)


@pytest.mark.parametrize(
    ("num_frames", "first", "last"), [(1, 0, 0), (7, 0, 6), (8, 0, 7), (9, 0, 7), (10, 1, 8), (11, 1, 8), (12, 2, 9)]
)
def test_of_a_long_clip_the_centre_is_taken(num_frames, first, last, assets, tmp_path, cache):
    del cache
    clip = make_clip("long_0", num_frames, tags={"split": "train"})
    root = write([clip], tmp_path / "long")
    data = SignText(source=SignFolder(), root=str(root), max_frames=MAX_FRAMES, batch_size=1).open(assets)
    (cut,) = data.clips("train")
    np.testing.assert_array_equal(cut.frames, clip.frames[first : last + 1])
    batch = data.sample_batch()
    assert batch["frame_mask"].sum() == last - first + 1
    np.testing.assert_array_equal(batch["frames"][0][batch["frame_mask"][0]], data.statistics.normalise(cut.frames))


def test_a_landmark_that_never_moves_is_detected_and_zero(opened):
    batch = opened.sample_batch()
    assert not batch["frames"][..., :3].any()
    np.testing.assert_array_equal(batch["landmark_mask"][..., NOSE], batch["frame_mask"])


def test_an_undetected_landmark_is_masked_and_zero(opened):
    batch = opened.sample_batch()
    hands = batch["landmark_mask"][..., LEFT_LANDMARKS]
    assert hands.any(axis=(1, 2)).tolist() == [True, False, True, False]
    assert not batch["frames"][[1, 3]][..., LEFT].any()
    assert opened.statistics.mean[LEFT].all()
    np.testing.assert_array_equal(hands[0].all(axis=1), batch["frame_mask"][0])


def test_a_batch_that_is_not_full_is_filled_with_masked_rows(opened):
    batch = opened.batch(opened.split("test"), num_rows=4)
    assert batch["example_mask"].tolist() == [True, True, False, False]
    for name in ("frames", "frame_mask", "landmark_mask"):
        assert not batch[name][2:].any()
    assert batch["signer"].tolist() == [0, -1, -1, -1]
    assert batch["token_mask"].any(axis=1)[:2].all()


def test_a_clip_comes_with_its_own_text(opened, clips):
    batch = opened.sample_batch()
    expected, mask = opened.tokenizer([clip.gloss for clip in clips[:4]], num_tokens=batch["token_ids"].shape[1])
    np.testing.assert_array_equal(batch["token_ids"], expected)
    np.testing.assert_array_equal(batch["token_mask"], mask)


def test_shapes_and_types_are_those_of_the_sample_and_the_blank_batch(opened):
    sample = opened.sample_batch()
    assert sample["frames"].shape == (BATCH_SIZE, MAX_FRAMES, 540)
    for batch in first_batches(opened, 3):
        assert {n: (v.shape, v.dtype) for n, v in batch.items()} == {n: (v.shape, v.dtype) for n, v in sample.items()}
    blank = opened.settings.blank_batch()
    assert {n: (v.ndim, v.dtype) for n, v in blank.items()} == {n: (v.ndim, v.dtype) for n, v in sample.items()}
    assert blank["frames"].shape == (1, MAX_FRAMES, 540)
    assert blank["token_ids"].shape == (1, 12)
    assert not blank["frames"].any()
    with pytest.raises(ConfigError, match="the data are signing, whose 169 landmarks are fixed; leave it out"):
        opened.settings.blank_batch(num_joints=25)


# Training batches


def test_the_same_seed_gives_the_same_batches_and_another_seed_another_order(opened):
    one, same = first_batches(opened, 5), first_batches(opened, 5)
    for ours, theirs in zip(one, same, strict=True):
        assert_equal(ours, theirs)
    other = itertools.islice(opened.train_batches(seed=SEED + 1), 5)
    assert [keys_of(opened, batch) for batch in one] != [keys_of(opened, batch) for batch in other]


@pytest.mark.parametrize("balance", [0.0, 1.0])
def test_two_processes_together_read_the_global_batch(balance, opened):
    data = reopened(opened, balance=balance)
    parts = [first_batches(data, 4, process=process, num_processes=2) for process in range(2)]
    for whole, first, second in zip(first_batches(data, 4), *parts, strict=True):
        assert_equal(whole, {name: np.concatenate([first[name], second[name]]) for name in whole})


@pytest.mark.parametrize("num_threads", [2, 5])
def test_the_number_of_threads_changes_nothing(num_threads, opened):
    threaded = first_batches(reopened(opened, num_threads=num_threads), 6)
    for ours, theirs in zip(first_batches(opened, 6), threaded, strict=True):
        assert_equal(ours, theirs)


@pytest.mark.parametrize("num_steps", [0, 1, 3])
def test_an_iterator_continues_exactly_where_its_state_was_taken(num_steps, opened):
    batches = opened.train_batches(seed=SEED)
    for _ in range(num_steps):
        next(batches)
    state = json.loads(json.dumps(batches.get_state()))
    expected = [next(batches) for _ in range(4)]
    resumed = reopened(opened, num_threads=3).train_batches(seed=SEED)
    resumed.set_state(state)
    for batch in expected:
        assert_equal(next(resumed), batch)


def test_every_clip_comes_once_an_epoch_in_a_new_order(opened):
    whole = reopened(opened, batch_size=5)
    assert whole.steps_per_epoch == 2
    batches = first_batches(whole, 4)
    epochs = [keys_of(whole, batches[step]) + keys_of(whole, batches[step + 1]) for step in (0, 2)]
    assert sorted(epochs[0]) == sorted(epochs[1]) == sorted(clip.key for clip in whole.clips("train"))
    assert epochs[0] != epochs[1]


def test_training_texts_are_each_once_and_in_full_batches(opened):
    batches = list(opened.training_texts())
    assert [batch["token_ids"].shape[0] for batch in batches] == [BATCH_SIZE] * 3
    rows = np.concatenate([batch["token_ids"] for batch in batches])[:10]
    expected = opened.tokenizer([f"SIGN{n} HOUSE" for n in range(10)], num_tokens=rows.shape[1])[0]
    np.testing.assert_array_equal(rows, expected)


# Which text (D10)


def test_clips_without_the_text_are_left_out(signs, opened, assets, caplog):
    assert "train_99" not in [clip.key for clip in opened.clips("train")]
    with caplog.at_level(logging.INFO):
        signs.open(assets / "gloss")
        assert "1 of 16 clips have no gloss and are left out" in caplog.text
        caplog.clear()
        sentences = dataclasses.replace(signs, text="sentence").open(assets / "sentence")
        assert "left out" not in caplog.text
    assert [clip.key for clip in sentences.clips("train")][-1] == "train_99"
    assert not np.array_equal(sentences.sample_batch()["token_ids"], opened.sample_batch()["token_ids"])


def test_a_source_in_which_no_clip_has_the_text_is_refused(assets, tmp_path, signs):
    root = write([make_clip("a_0", gloss=None, tags={"split": "train"})], tmp_path / "silent")
    with pytest.raises(DataError, match=r"data\.text is 'gloss', but no clip of the source has one; choose the other"):
        dataclasses.replace(signs, root=str(root)).open(assets)
    assert dataclasses.replace(signs, root=str(root), text="sentence").open(assets).has_split("train")


def test_a_split_in_which_no_training_clip_has_the_text_is_refused(assets, tmp_path, signs):
    clips = [make_clip("a_0", gloss=None, tags={"split": "train"}), make_clip("b_1", tags={"split": "test"})]
    write_sign_folder(clips, tmp_path / "held")
    Statistics.neutral().write(tmp_path / "held" / "statistics.npz")
    with pytest.raises(DataError, match=r"split: no clip with a gloss is one of training; change data\.split"):
        dataclasses.replace(signs, root=str(tmp_path / "held")).open(assets)


def test_one_split_file_serves_both_texts(signs, assets, tmp_path, clips):
    lists = {"train": [clip.key for clip in clips[:9]] + ["train_99"], "test": [clip.key for clip in clips[9:-1]]}
    (tmp_path / "split.json").write_text(json.dumps(lists))
    counts = {}
    for text in ("gloss", "sentence"):
        settings = dataclasses.replace(signs, text=text, split=FileSplit(path=str(tmp_path / "split.json")))
        data = settings.open(assets / text)
        counts[text] = (len(data.split("train")), len(data.split("test")), data.has_split("val"))
    assert counts == {"gloss": (9, 6, False), "sentence": (10, 6, False)}


def test_a_split_file_of_other_clips_is_refused(signs, assets, tmp_path, clips):
    (tmp_path / "split.json").write_text(json.dumps({"train": [clip.key for clip in clips[:-1]]}))
    settings = dataclasses.replace(signs, split=FileSplit(path=str(tmp_path / "split.json")))
    with pytest.raises(DataError, match=r"split\.json: 'train_99' .* of the data have no split; add them"):
        settings.open(assets)
    (tmp_path / "split.json").write_text(json.dumps({"train": ["nobody", *(clip.key for clip in clips)]}))
    with pytest.raises(DataError, match=r"split\.json: 'nobody' .* are not in the data; remove them"):
        settings.open(assets)


# What a run keeps


def test_a_source_without_statistics_has_those_of_its_training_split(assets, cache):
    del cache
    source = ProceduralSigns(takes=1, num_glosses=8, num_sentences=8, num_held_out=2, num_signers=2)
    data = SignText(source=source, batch_size=2).open(assets)
    expected = Statistics.of(clip for clip in source.inventory(None).items() if clip.tags["split"] == "train")
    np.testing.assert_allclose(data.statistics.mean, expected.mean, atol=1e-5)
    np.testing.assert_allclose(data.statistics.std, expected.std, rtol=1e-4)
    seen = [data.batch([index], num_rows=1) for index in data.split("train")]
    values = np.concatenate([batch["frames"][batch["frame_mask"]] for batch in seen])
    assert np.abs(values.mean()) < 0.3


def test_a_run_keeps_what_it_began_with(signs, assets, tmp_path):
    first = signs.open(assets)
    others = [make_clip(f"b_{n}", signer=f"t{n}", gloss="ANOTHER", tags={"split": "train"}) for n in range(4)]
    again = dataclasses.replace(signs, root=str(write(others, tmp_path / "other"))).open(assets)
    assert again.signers == first.signers == ("s0", "s1", "s2")
    np.testing.assert_array_equal(again.statistics.mean, first.statistics.mean)
    np.testing.assert_array_equal(again.tokenizer(["HOUSE"])[0], first.tokenizer(["HOUSE"])[0])
    assert again.sample_batch()["signer"].tolist() == [-1] * 4
    assert sorted(path.name for path in assets.iterdir()) == sorted(SignText.asset_files)


def test_an_interrupted_first_opening_is_done_again(signs, assets):
    whole = signs.open(assets)
    (assets / "signers.json").unlink()
    (assets / "statistics.npz").write_bytes(b"half")
    np.testing.assert_array_equal(signs.open(assets).statistics.mean, whole.statistics.mean)


def test_signers_are_numbered_and_one_unseen_in_training_is_none(opened):
    assert opened.signers == ("s0", "s1", "s2")
    assert opened.sample_batch()["signer"].tolist() == [0, 1, 2, 0]
    assert opened.batch(opened.split("test"), num_rows=2)["signer"].tolist() == [0, -1]
    assert opened.sample_batch()["signer"].dtype == np.int32


def test_the_tokenizer_knows_the_words_of_training_only(opened):
    ids, _ = opened.tokenizer(["HOUSE UNSEEN"])
    assert ids[0, 2] == 1 != ids[0, 1]


@pytest.mark.parametrize("content", [None, b"{", b"{}", b'"s0"', b'["s0", 1]', b"\xff", b"[" * 100_000])
def test_a_run_without_its_signers_is_incomplete(content, signs, tmp_path):
    if content is not None:
        (tmp_path / "signers.json").write_bytes(content)
    with pytest.raises(DataError, match=r"signers\.json: cannot be read .*; the run is incomplete"):
        signs.saved_signers(tmp_path)


def test_clips_are_those_of_a_split_as_the_model_sees_them(opened, clips):
    own = opened.clips("val")
    assert [clip.key for clip in own] == ["val_0", "val_1", "val_2"]
    assert [clip.num_frames for clip in own] == [6, 8, 2]
    np.testing.assert_array_equal(own[0].frames, clips[10].frames)
    assert (own[0].sentence, own[0].signer, own[0].fps) == ("This is 0.", "s0", FPS)


# Fingerprint


def differing(one, other):
    """The fields in which the fingerprints of two opened data differ, without their values and clips' names."""
    lines = differences(one.fingerprint(seed=SEED), other.fingerprint(seed=SEED))
    return {line.split(": ")[0] for line in lines}


def test_the_fingerprint_says_nothing_of_threads_and_places(signs, opened, assets, clips, tmp_path):
    assert json.loads(json.dumps(opened.fingerprint(seed=SEED))) == opened.fingerprint(seed=SEED)
    elsewhere = write(clips, tmp_path / "elsewhere")
    same = dataclasses.replace(signs, root=str(elsewhere), num_threads=7).open(assets)
    assert differing(opened, same) == set()


@pytest.mark.parametrize(
    ("change", "names"),
    [
        ({"max_frames": 7}, {"data.max_frames"}),
        ({"batch_size": 2}, {"data.batch_size"}),
        ({"normalize": False}, {"data.normalize"}),
    ],
)
def test_the_fingerprint_names_a_setting_that_changes(change, names, opened):
    assert differing(opened, reopened(opened, **change)) == names


def test_the_fingerprint_names_another_text_and_split(opened):
    sentences = differing(opened, reopened(opened, text="sentence"))
    assert {"data.text", "data.clips.train_0.texts", "data.clips.train_99.split"} <= sentences
    hashed = differing(opened, reopened(opened, split=HashSplit(num_buckets=3, test=(0,))))
    assert any(name.startswith("data.split") for name in hashed)
    assert any(name.startswith("data.clips.") and name.endswith(".split") for name in hashed)


@pytest.mark.parametrize(
    ("change", "names"),
    [
        (lambda clip: {"frames": clip.frames + np.float32(1e-3)}, {"data.clips.train_1.frames"}),
        (lambda clip: {"signer": "s2"}, {"data.clips.train_1.signer"}),
        (lambda clip: {"gloss": "HOUSE SIGN1"}, {"data.clips.train_1.texts", "data.tokens"}),
        (lambda clip: {"tags": {"split": "train", "note": "better light"}}, set()),
        (lambda clip: {"sentence": "The text that is not read."}, set()),
    ],
)
def test_the_fingerprint_names_a_clip_that_changes(change, names, opened, clips, tmp_path):
    changed = [dataclasses.replace(clip, **change(clip)) if clip.key == "train_1" else clip for clip in clips]
    assert differing(opened, reopened(opened, root=str(write(changed, tmp_path / "changed")))) == names


# Packing


def test_a_source_is_packed_once(signs, folder, monkeypatch):
    first = packed_signs(signs.source, folder, fps=FPS)
    monkeypatch.setattr(sign_text, "store", lambda *_, **__: pytest.fail("packed a second time"))
    np.testing.assert_array_equal(packed_signs(signs.source, folder, fps=FPS).frames, first.frames)


def test_clips_are_resampled_to_one_rate(folder, clips, cache):
    del cache
    packed = packed_signs(SignFolder(), folder, fps=10.0)
    assert packed.fps == 10.0
    for place, clip in enumerate(clips):
        np.testing.assert_array_equal(packed.clip(place), resample_signs(clip.frames, source_fps=FPS, target_fps=10.0))


@pytest.fixture
def packed(folder, tmp_path, monkeypatch):
    """The folder of a packed source in a cache of its own."""
    monkeypatch.setenv("JAXMM_CACHE", str(tmp_path / "cache"))
    packed_signs(SignFolder(), folder, fps=FPS)
    (only,) = (tmp_path / "cache" / "signs").iterdir()
    return only


@pytest.mark.parametrize("about", [{}, {"landmarks": None}, {"landmarks": 3}, {"landmarks": ["body/NOSE"]}, [], "x"])
def test_a_packed_source_of_another_layout_is_refused(about, packed, folder):
    meta = json.loads((packed / "meta.json").read_text())
    (packed / "meta.json").write_text(json.dumps({**meta, "about": about}))
    with pytest.raises(DataError, match=rf"{packed}: .*; delete the folder to have it packed anew"):
        packed_signs(SignFolder(), folder, fps=FPS)


@pytest.mark.parametrize(
    "note",
    [
        {"gloss": 3},
        {"gloss": 0},
        {"sentence": ["A"]},
        {"signer": None},
        {"tags": None},
        {"tags": ["split"]},
        {"tags": {"split": 3}},
        {"further": "A"},
    ],
)
def test_a_damaged_note_is_refused(note, packed, folder):
    meta = json.loads((packed / "meta.json").read_text())
    meta["clips"]["train_1"]["note"].update(note)
    (packed / "meta.json").write_text(json.dumps(meta))
    with pytest.raises(
        DataError, match=rf"{packed}: not a packed data set .*; delete the folder to have it packed anew"
    ):
        packed_signs(SignFolder(), folder, fps=FPS)


@pytest.mark.parametrize("name", ["gloss", "sentence", "signer", "tags"])
def test_a_note_that_lacks_something_is_refused(name, packed, folder):
    meta = json.loads((packed / "meta.json").read_text())
    del meta["clips"]["train_1"]["note"][name]
    (packed / "meta.json").write_text(json.dumps(meta))
    with pytest.raises(
        DataError, match=rf"{packed}: not a packed data set .*; delete the folder to have it packed anew"
    ):
        packed_signs(SignFolder(), folder, fps=FPS)


def test_a_source_that_fails_leaves_nothing_behind(clips, tmp_path, monkeypatch):
    monkeypatch.setenv("JAXMM_CACHE", str(tmp_path / "cache"))
    root = write(clips, tmp_path / "signs")
    np.save(root / "test_1.npy", np.full((3, 540), np.nan, np.float32))
    with pytest.raises(DataError, match=r"metadata\.csv:16: test_1: frame 0 holds a value that is not finite"):
        packed_signs(SignFolder(), root, fps=FPS)
    assert list((tmp_path / "cache" / "signs").iterdir()) == []


# Settings


@pytest.mark.parametrize("name", ["max_frames", "max_tokens", "batch_size", "num_threads"])
@pytest.mark.parametrize("value", [0, -1])
def test_numbers_out_of_range_are_refused(name, value):
    with pytest.raises(ConfigError, match=rf"data\.{name} is {value}; give a value above zero"):
        SignText(**{name: value})


@pytest.mark.parametrize("fps", [0.0, -1.0, 0.05, 20_000.0, float("inf"), float("nan")])
def test_a_frame_rate_that_no_clip_can_have_is_refused(fps):
    with pytest.raises(ConfigError, match=rf"data\.fps is {fps}; give a frame rate from 0.1 to 10000"):
        SignText(fps=fps)


@pytest.mark.parametrize("balance", [-0.1, 1.1, float("nan")])
def test_a_balance_out_of_range_is_refused(balance):
    with pytest.raises(ConfigError, match=rf"data\.balance is {balance}; give a number from 0 to 1"):
        SignText(balance=balance)


def test_what_a_kind_of_data_must_define_is_named(opened, assets):
    for name, call in (
        ("open", lambda: Captioned().open(assets)),
        ("blank_batch", lambda: Captioned().blank_batch()),
    ):
        with pytest.raises(TypeError, match=f"Captioned must define {name}"):
            call()
    stored = packed_signs(opened.settings.source, Path(opened.settings.root), fps=FPS)
    plain = CaptionedData(opened.settings, stored, [("a",)] * len(stored), {}, opened.tokenizer)
    with pytest.raises(TypeError, match="CaptionedData must define sample_batch"):
        plain.sample_batch()


def test_the_split_is_the_tag_of_the_source_by_default():
    assert SignText().split == TagSplit()
    assert SignText().text == "gloss"
