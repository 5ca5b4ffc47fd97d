import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxmm.data.folder import write_motion_folder
from jaxmm.data.motion import Skeleton
from jaxmm.data.motion_text import MotionText
from jaxmm.data.transforms import Augmentation, Change, mirror, turn
from jaxmm.errors import ConfigError, DataError

from .kinds import BATCH_SIZE, first_batches, motions_of

NUM_FRAMES = 8
VIVID = Augmentation(mirror_rate=0.5, speed_range=(0.8, 1.25), yaw_range=30.0)


@pytest.fixture(scope="module")
def vivid(data):
    """The same opened data with every augmentation on."""
    return with_settings(data, augmentation=VIVID)


def with_settings(data, **changes):
    assigned = {key: tag["split"] for key, tag in zip(data.packed.keys, data.packed.tags, strict=True)}
    return type(data)(dataclasses.replace(data.settings, **changes), data.packed, assigned, data.tokenizer)


# Training batches


def test_a_batch_has_the_frames_of_the_settings(vivid):
    assert vivid.sample_batch()["motion"].shape == (BATCH_SIZE, NUM_FRAMES, 5, 3)


def test_a_motion_comes_with_one_of_its_own_captions(data):
    texts = {index: data.packed.captions[index] for index in data.split("train")}
    seen = {}
    for batch in first_batches(data, 24):
        for row, key in enumerate(motions_of(data, batch)):
            index = data.packed.keys.index(key)
            ids, _ = data.tokenizer(list(texts[index]), num_tokens=batch["token_ids"].shape[1])
            (place,) = np.flatnonzero((ids == batch["token_ids"][row]).all(axis=1))
            seen.setdefault(index, set()).add(int(place))
    assert {index: len(places) for index, places in seen.items()} == {index: len(own) for index, own in texts.items()}


def test_mirrored_motions_have_mirrored_captions(data):
    plain = first_batches(data, 4)
    mirrored = first_batches(with_settings(data, augmentation=Augmentation(mirror_rate=1.0)), 4)
    for before, after in zip(plain, mirrored, strict=True):
        for row, mask in enumerate(before["motion_mask"]):
            expected = mirror(before["motion"][row], data.packed.skeleton)[mask]
            np.testing.assert_allclose(after["motion"][row][mask], expected, atol=1e-6)
    left, right = (data.tokenizer([side])[0][0, 1] for side in ("left", "right"))
    swapped = np.array([batch["token_ids"] for batch in plain])
    swapped = np.where(swapped == left, right, np.where(swapped == right, left, swapped))
    np.testing.assert_array_equal(swapped, [batch["token_ids"] for batch in mirrored])
    assert (swapped == left).any()
    assert (swapped == right).any()


# Preparing one motion


@pytest.fixture(scope="module")
def line(make_motion):
    """Builds positions whose frame number can be read off the root's x."""

    def build(num_frames):
        positions = np.zeros((num_frames, 5, 3), np.float32)
        positions[:, :, 0] = np.arange(num_frames)[:, None]
        return positions

    return build


@settings(max_examples=40, deadline=None)
@given(num_frames=st.integers(1, 40), seed=st.integers(0, 1000))
def test_a_random_crop_lies_within_the_motion_and_is_as_long_as_can_be(num_frames, seed, line, skeleton):
    settings = MotionText(num_frames=NUM_FRAMES, centre="none")
    rng = np.random.default_rng(seed)
    window = settings.random_window(line(num_frames), skeleton, change=Change(), rng=rng)[:, 0, 0]
    assert len(window) == min(NUM_FRAMES, num_frames)
    assert np.all(np.diff(window) == 1)
    assert 0 <= window[0] <= window[-1] <= num_frames - 1


def test_random_crops_reach_both_ends(line, skeleton):
    settings, rng = MotionText(num_frames=NUM_FRAMES, centre="none"), np.random.default_rng(0)
    starts = {int(settings.random_window(line(11), skeleton, change=Change(), rng=rng)[0, 0, 0]) for _ in range(100)}
    assert starts == {0, 1, 2, 3}


@pytest.mark.parametrize(("num_frames", "first", "last"), [(3, 0, 2), (8, 0, 7), (12, 2, 9), (13, 2, 9)])
def test_without_a_stride_a_motion_is_its_centre(num_frames, first, last, line, skeleton):
    (window,) = MotionText(num_frames=NUM_FRAMES, centre="none").windows(line(num_frames), skeleton)
    assert (window[0, 0, 0], window[-1, 0, 0]) == (first, last)


@settings(max_examples=60, deadline=None)
@given(num_frames=st.integers(1, 60), stride=st.integers(1, NUM_FRAMES))
def test_windows_cover_a_motion_and_are_no_further_apart_than_the_stride(num_frames, stride, line, skeleton):
    view = MotionText(num_frames=NUM_FRAMES, window_stride=stride, centre="none")
    windows = [window[:, 0, 0] for window in view.windows(line(num_frames), skeleton)]
    assert {len(window) for window in windows} == {min(NUM_FRAMES, num_frames)}
    assert (windows[0][0], windows[-1][-1]) == (0, num_frames - 1)
    assert all(0 < step <= stride for step in np.diff([window[0] for window in windows]))


def test_a_stride_that_skips_frames_is_refused():
    with pytest.raises(ConfigError, match=r"data.window_stride is 9, which skips frames; give data.num_frames, 8"):
        MotionText(num_frames=8, window_stride=9)
    with pytest.raises(ConfigError, match=r"data.window_stride is 0; give a value above zero"):
        MotionText(window_stride=0)


@settings(max_examples=60, deadline=None)
@given(num_frames=st.integers(1, 60), rate=st.floats(0.5, 2.0), seed=st.integers(0, 99))
def test_a_change_of_speed_fills_the_frames_when_the_motion_is_long_enough(num_frames, rate, seed, line, skeleton):
    settings = MotionText(num_frames=NUM_FRAMES, centre="none")
    rng = np.random.default_rng(seed)
    window = settings.random_window(line(num_frames), skeleton, change=Change(rate=rate), rng=rng)[:, 0, 0]
    assert 1 <= len(window) <= NUM_FRAMES
    if num_frames >= np.ceil(NUM_FRAMES * rate):
        assert len(window) == NUM_FRAMES
    steps = np.diff(window)[:-1]
    np.testing.assert_allclose(steps[window[1:-1] < window.max() - rate], rate, atol=1e-4)
    assert 0 <= window[0] <= window[-1] <= num_frames - 1


def test_centring_turning_mirroring_and_scaling_come_in_this_order(motions, skeleton):
    positions, change = motions[0].positions, Change(mirrors=True, yaw=0.5)
    scaled = MotionText(num_frames=NUM_FRAMES, scale=10.0, face_forward=True)
    ours = scaled.random_window(positions, skeleton, change=change, rng=np.random.default_rng(0))
    (placed,) = MotionText(num_frames=NUM_FRAMES, face_forward=True).windows(positions, skeleton)
    assert not placed[0, 0].any()
    across = placed[0, 1] - placed[0, 2]
    assert across[2] == pytest.approx(0, abs=1e-5)
    assert across[0] > 0
    np.testing.assert_allclose(ours, 10 * turn(mirror(placed, skeleton), 0.5), atol=1e-4)


# Evaluation


def test_evaluation_covers_a_split_in_order(data):
    for index, windows in zip(data.split("test"), data.windows("test"), strict=True):
        expected = data.settings.windows(data.packed.motion(index), data.packed.skeleton)
        np.testing.assert_array_equal(windows, expected)


def test_evaluation_is_not_augmented(data, vivid):
    for ours, theirs in zip(data.windows("train"), vivid.windows("train"), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_a_batch_that_is_not_full_is_filled_with_masked_rows(data):
    batch = data.settings.stack([np.ones((3, 5, 3), np.float32)], num_rows=4)
    assert batch["example_mask"].tolist() == [True, False, False, False]
    assert batch["motion_mask"].sum(axis=1).tolist() == [3, 0, 0, 0]
    assert batch["motion"].sum() == 3 * 5 * 3


def test_the_sample_batch_has_the_first_captions(data):
    batch = data.sample_batch()
    texts = [data.packed.captions[index][0] for index in data.split("train")[: len(batch["token_ids"])]]
    np.testing.assert_array_equal(batch["token_ids"], data.tokenizer(texts, num_tokens=batch["token_ids"].shape[1])[0])


def test_a_gallery_holds_each_caption_once_and_knows_all_its_motions(data):
    gallery = data.gallery("train")
    assert gallery.indices == tuple(data.split("train"))
    assert len(set(gallery.captions)) == len(gallery.captions) == gallery.relevant.shape[1] == 7
    for row, index in enumerate(gallery.indices):
        own = {gallery.captions[column] for column in np.flatnonzero(gallery.relevant[row])}
        assert own == set(data.packed.captions[index])
    shared = gallery.captions.index("a person runs")
    assert gallery.relevant[:, shared].sum() == 4  # two motions with two captions each, two with this one alone
    assert gallery.captions[:2] == ("a person walks left", "a person runs")


def test_a_small_split_has_a_gallery_of_its_own(data):
    gallery = data.gallery("val")
    assert gallery.relevant.shape == (3, 4)
    assert [data.packed.keys[index] for index in gallery.indices] == ["val_0", "val_1", "val_2"]


# Opening


def test_a_run_keeps_the_tokenizer_and_the_skeleton_it_began_with(settings, data, motions, tmp_path):
    assets = tmp_path / "assets"
    first = settings.open(assets)
    assert settings.saved_skeleton(assets) == data.packed.skeleton
    write_motion_folder([dataclasses.replace(m, captions=("other words",)) for m in motions], tmp_path / "other")
    again = dataclasses.replace(settings, root=str(tmp_path / "other")).open(assets)
    assert again.tokenizer.vocab_size == first.tokenizer.vocab_size
    assert settings.saved_tokenizer(assets).vocab_size == first.tokenizer.vocab_size


def test_another_skeleton_than_the_runs_is_refused(settings, motions, tmp_path):
    settings.open(tmp_path / "assets")
    skeleton = motions[0].skeleton
    renamed = Skeleton(joint_names=(*skeleton.joint_names[:-1], "Nose"), parents=skeleton.parents)
    write_motion_folder([dataclasses.replace(motion, skeleton=renamed) for motion in motions], tmp_path / "other")
    with pytest.raises(DataError, match=r"data.root: .*other has another skeleton than the run was trained on"):
        dataclasses.replace(settings, root=str(tmp_path / "other")).open(tmp_path / "assets")


def test_mirroring_joints_whose_names_tell_no_side_is_refused(settings, motions, tmp_path):
    nameless = Skeleton(joint_names=tuple("ABCDE"), parents=motions[0].skeleton.parents)
    write_motion_folder([dataclasses.replace(motion, skeleton=nameless) for motion in motions], tmp_path / "nameless")
    plain = dataclasses.replace(settings, root=str(tmp_path / "nameless"))
    plain.open(tmp_path / "plain")
    with pytest.raises(ConfigError, match=r"mirror_rate is set, but the joints' names tell no left from right \(A, B"):
        dataclasses.replace(plain, augmentation=Augmentation(mirror_rate=0.5)).open(tmp_path / "mirrored")


@pytest.mark.parametrize("content", [None, "{", "{}", "[]", '{"joint_names": 3, "parents": []}'])
def test_a_run_without_its_skeleton_is_incomplete(content, settings, tmp_path):
    if content is not None:
        (tmp_path / "skeleton.json").write_text(content)
    with pytest.raises(DataError, match=r"skeleton.json: cannot be read .*; the run is incomplete"):
        settings.saved_skeleton(tmp_path)


@pytest.mark.parametrize("read", ["gallery", "windows"])
def test_an_unknown_split_is_refused_with_those_there_are(read, data):
    with pytest.raises(ConfigError, match=r"there is no 'dev' in the data; choose among train \(10\), val \(3\), test"):
        list(getattr(data, read)("dev"))


@pytest.mark.parametrize("name", ["fps", "num_frames", "scale"])
@pytest.mark.parametrize("value", [0, -1])
def test_numbers_out_of_range_are_refused(name, value):
    with pytest.raises(ConfigError, match=f"data.{name} is {value}; give a value above zero"):
        MotionText(**{name: value})


def test_the_blank_batch_is_the_longest_and_holds_zeros(settings):
    blank = settings.blank_batch(num_joints=5)
    assert blank["motion"].shape == (1, settings.num_frames, 5, 3)
    assert not blank["motion"].any()
