import dataclasses
import json
import logging

import numpy as np
import pytest

from jaxmm.config import differences
from jaxmm.data.sign.folder import write_sign_folder
from jaxmm.data.sign.layout import HOLISTIC
from jaxmm.data.sign.sources import ProceduralSigns, SignFolder
from jaxmm.data.sign.statistics import Statistics
from jaxmm.data.sign_text import SignText
from jaxmm.data.splits import FileSplit, TagSplit
from jaxmm.errors import ConfigError, DataError

from .kinds import BATCH_SIZE, SEED, SIGN_FPS, SIGN_MAX_FRAMES, make_clip, write_signs

LEFT = HOLISTIC.part_features("left_hand")
LEFT_LANDMARKS = HOLISTIC.part_landmarks("left_hand")
NOSE = HOLISTIC.landmark("body/NOSE")


def reopened(opened, **changes):
    """The same run with other settings."""
    return dataclasses.replace(opened.settings, **changes).open(opened.assets)


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
    root = write_signs([clip], tmp_path / "long")
    data = SignText(source=SignFolder(), root=str(root), max_frames=SIGN_MAX_FRAMES, batch_size=1).open(assets)
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


def test_the_sample_batch_is_full_and_the_blank_one_the_longest(opened):
    assert opened.sample_batch()["frames"].shape == (BATCH_SIZE, SIGN_MAX_FRAMES, 540)
    blank = opened.settings.blank_batch()
    assert blank["frames"].shape == (1, SIGN_MAX_FRAMES, 540)
    with pytest.raises(ConfigError, match="the data are signing, whose 169 landmarks are fixed; leave it out"):
        opened.settings.blank_batch(num_joints=25)


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
    root = write_signs([make_clip("a_0", gloss=None, tags={"split": "train"})], tmp_path / "silent")
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
    again = dataclasses.replace(signs, root=str(write_signs(others, tmp_path / "other"))).open(assets)
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
    assert (own[0].sentence, own[0].signer, own[0].fps) == ("This is 0.", "s0", SIGN_FPS)


# Fingerprint


def differing(one, other):
    """The fields in which the fingerprints of two opened data differ, without their values and clips' names."""
    lines = differences(one.fingerprint(seed=SEED), other.fingerprint(seed=SEED))
    return {line.split(": ")[0] for line in lines}


@pytest.mark.parametrize(
    ("change", "names"),
    [
        ({"max_frames": 7}, {"data.max_frames"}),
        ({"normalize": False}, {"data.normalize"}),
    ],
)
def test_the_fingerprint_names_a_setting_that_changes(change, names, opened):
    assert differing(opened, reopened(opened, **change)) == names


def test_the_fingerprint_names_another_text(opened):
    sentences = differing(opened, reopened(opened, text="sentence"))
    assert {"data.text", "data.clips.train_0.texts", "data.clips.train_99.split"} <= sentences


@pytest.mark.parametrize(
    ("change", "names"),
    [
        (lambda clip: {"signer": "s2"}, {"data.clips.train_1.signer"}),
        (lambda clip: {"gloss": "HOUSE SIGN1"}, {"data.clips.train_1.texts", "data.tokens"}),
        (lambda clip: {"sentence": "The text that is not read."}, set()),
    ],
)
def test_the_fingerprint_names_a_clip_that_changes(change, names, opened, clips, tmp_path):
    changed = [dataclasses.replace(clip, **change(clip)) if clip.key == "train_1" else clip for clip in clips]
    assert differing(opened, reopened(opened, root=str(write_signs(changed, tmp_path / "changed")))) == names


# Settings


@pytest.mark.parametrize("value", [0, -1])
def test_a_length_out_of_range_is_refused(value):
    with pytest.raises(ConfigError, match=rf"data\.max_frames is {value}; give a value above zero"):
        SignText(max_frames=value)


@pytest.mark.parametrize("fps", [0.0, -1.0, 0.05, 20_000.0, float("inf"), float("nan")])
def test_a_frame_rate_that_no_clip_can_have_is_refused(fps):
    with pytest.raises(ConfigError, match=rf"data\.fps is {fps}; give a frame rate from 0.1 to 10000"):
        SignText(fps=fps)


def test_the_split_is_the_tag_of_the_source_by_default():
    assert SignText().split == TagSplit()
    assert SignText().text == "gloss"
