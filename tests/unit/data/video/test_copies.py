"""Which clips are made of videos, that they are the same every time, and that no split shares a video."""

import dataclasses
import pickle

import numpy as np
import pytest

from jaxmm.config import decode, encode
from jaxmm.data.splits import TagSplit
from jaxmm.data.video.alterations import ALTERATION_KINDS
from jaxmm.data.video.check import check_videos
from jaxmm.data.video.clip import FrameView
from jaxmm.data.video.copies import AlteredVideo, CopiedVideos
from jaxmm.data.video.packed import Packing, packed_actions
from jaxmm.data.video.reader import VideoReader
from jaxmm.errors import ConfigError, DataError

from .films import write_video

pytest.importorskip("av")

VIEW = FrameView(fps=10.0, frame_size=24, max_frames=30)
SOURCE = CopiedVideos(seconds=1.0, stride=1.0, copies=3, num_val=2, num_test=2)
NUM_FRAMES = {"a.mp4": 35, "b.avi": 20, "deep/c d.mp4": 24, "e.mp4": 6, "f.mp4": 41, "g.mp4": 30}


def striped_frames(num_frames, film, height=32, width=48):
    """Frames that tell their film by their colours and their number by where a box is."""
    frames = np.empty((num_frames, height, width, 3), np.uint8)
    frames[:] = np.random.default_rng(film).integers(30, 220, (1, 4, 6, 3)).repeat(8, axis=1).repeat(8, axis=2)
    for number, frame in enumerate(frames):
        frame[12:20, number % 40 : number % 40 + 8] = 255
    return frames


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Six films of ten frames a second, of which one is shorter than an excerpt."""
    root = tmp_path_factory.mktemp("films")
    for film, (name, num_frames) in enumerate(NUM_FRAMES.items()):
        write_video(root / name, striped_frames(num_frames, film))
    (root / "notes.txt").touch()
    (root / ".hidden.mp4").touch()
    return root


@pytest.fixture(scope="module")
def square_reader():
    with VIEW.reader(time_limit_s=30.0) as reader:
        yield reader


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("JAXMM_CACHE", str(tmp_path / "cache"))


def listed(source, root):
    return list(source.inventory(root).items())


def originals(clips):
    return [clip for clip in clips if clip.tags["kind"] == "original"]


def test_every_excerpt_comes_with_its_copies(root):
    clips = listed(SOURCE, root)
    assert len({clip.key for clip in clips}) == len(clips) == 4 * len(originals(clips))
    labels = SOURCE.vocabulary(root).labels
    assert tuple(clip.label for clip in originals(clips)) == labels
    assert labels[:4] == ("a.mp4#000", "a.mp4#001", "a.mp4#002", "b.avi#000") and "deep/c_d.mp4#001" in labels
    for first in range(0, len(clips), 4):
        original, *copies = clips[first : first + 4]
        assert not isinstance(original, AlteredVideo) and all(isinstance(copy, AlteredVideo) for copy in copies)
        assert {clip.label for clip in (original, *copies)} == {original.tags["excerpt"]}
        assert {(clip.path, clip.start, clip.end) for clip in copies} == {(original.path, original.start, original.end)}
        assert len({copy.tags["kind"] for copy in copies}) == 3
        assert all(copy.tags["kind"] == copy.alteration.kind == copy.key.rpartition("-")[2] for copy in copies)


def test_excerpts_lie_in_their_video_one_after_another(root):
    for name, num_frames in NUM_FRAMES.items():
        own = [clip for clip in originals(listed(SOURCE, root)) if clip.tags["source"] == name]
        assert len(own) == max(1, num_frames // 10)
        starts, ends = (np.array([getattr(clip, side) for clip in own]) for side in ("start", "end"))
        assert starts[0] >= 0 and ends[-1] <= num_frames / 10 + 1e-6
        assert (starts[1:] >= ends[:-1] - 1e-9).all()
        np.testing.assert_allclose(ends - starts, min(1.0, num_frames / 10), atol=1e-6)
        assert [float(clip.tags["end"]) for clip in own] == pytest.approx(ends.tolist(), abs=1e-3)
        assert {clip.tags["group"] for clip in own} == {name}


def test_excerpts_may_overlap_or_be_few_and_far_between(root):
    many = originals(listed(dataclasses.replace(SOURCE, stride=0.25), root))
    starts = np.array([clip.start for clip in many if clip.tags["source"] == "f.mp4"])
    assert len(starts) == 13 and np.allclose(np.diff(starts), 0.25)
    few = originals(listed(dataclasses.replace(SOURCE, max_excerpts=2), root))
    starts = np.array([clip.start for clip in few if clip.tags["source"] == "f.mp4"])
    assert len(starts) == 2 and np.diff(starts) == pytest.approx(1.55)


def test_no_split_shares_a_video(root):
    for seed in range(5):
        clips = listed(dataclasses.replace(SOURCE, seed=seed, kinds=("spliced",), copies=1), root)
        splits = {clip.tags["source"]: clip.tags["split"] for clip in clips}
        assert sorted(splits.values()) == ["test", "test", "train", "train", "val", "val"]
        assert all(clip.tags["split"] == splits[clip.tags["source"]] for clip in clips)
        for clip in clips:
            if clip.tags["kind"] == "spliced":
                assert splits[clip.tags["others"]] == clip.tags["split"]
                assert clip.tags["others"] != clip.tags["source"]
                assert clip.others.path == root / clip.tags["others"]


def test_clips_depend_on_nothing_but_their_names_and_the_seed(root, square_reader):
    clips = {clip.key: clip for clip in listed(SOURCE, root)}
    backwards = [clip for film in reversed(SOURCE.inventory(root).recordings) for clip in film.read()]
    assert {clip.key: clip for clip in backwards} == clips
    fewer = {clip.key: clip for clip in listed(dataclasses.replace(SOURCE, copies=1), root)}
    assert all(clips[key] == clip for key, clip in fewer.items())
    other = listed(dataclasses.replace(SOURCE, seed=1), root)
    assert [clip.start for clip in originals(other)] != [clip.start for clip in originals(clips.values())]
    some = list(clips.values())[:8]
    with VIEW.reader(time_limit_s=30.0) as another:
        for clip in reversed(some):
            one, again = clip.frames(square_reader, VIEW), clip.frames(another, VIEW)
            np.testing.assert_array_equal(one.pixels, again.pixels)


def test_settings_and_clips_go_elsewhere_and_come_back(root):
    assert decode(encode(SOURCE)) == SOURCE
    clips = listed(SOURCE, root)
    assert pickle.loads(pickle.dumps(clips)) == clips


def test_copies_are_altered_before_their_centre_is_cut_out(root, square_reader):
    source = dataclasses.replace(SOURCE, kinds=ALTERATION_KINDS, copies=len(ALTERATION_KINDS))
    original, *copies = listed(source, root)[: 1 + len(ALTERATION_KINDS)]
    plain = original.frames(square_reader, VIEW)
    assert plain.pixels.shape == (10, 24, 24, 3) and plain.fps == 10.0 and not plain.cut
    assert {copy.tags["kind"] for copy in copies} == set(ALTERATION_KINDS)
    for copy in copies:
        frames = copy.frames(square_reader, VIEW)
        assert frames.pixels.shape[1:] == (24, 24, 3) and frames.fps == 10.0
        assert len(frames.pixels) == round(10 / copy.alteration.speed)
        assert frames.pixels.shape != plain.pixels.shape or (frames.pixels != plain.pixels).any()
        match copy.tags["kind"]:
            case "mirrored":
                np.testing.assert_allclose(frames.pixels, plain.pixels[:, :, ::-1], atol=8)
            case "letterboxed":
                assert frames.pixels[:, 0].max() == frames.pixels[:, -1].max() == 0
            case "spliced":
                away = np.abs(frames.pixels.astype(int) - plain.pixels[:1]).mean((1, 2, 3))
                assert (away > 40).sum() in range(2, 6)


def test_what_is_slowed_beyond_the_longest_clip_is_cut(root, square_reader):
    view = dataclasses.replace(VIEW, max_frames=11)
    copies = [
        clip for clip in listed(dataclasses.replace(SOURCE, kinds=("retimed",)), root) if clip.label == "a.mp4#000"
    ]
    for copy in copies[1:]:
        frames = copy.frames(square_reader, view)
        assert len(frames.pixels) == min(11, round(10 / copy.alteration.speed))
        assert frames.cut == (copy.alteration.speed < 0.9)


def test_packing_gives_the_same_in_any_number_of_workers(root, tmp_path, monkeypatch):
    one, several = (packed(root, tmp_path / str(workers), monkeypatch, workers) for workers in (1, 3))
    assert one.keys == several.keys and len(one.keys) == 4 * len(SOURCE.vocabulary(root).labels)
    np.testing.assert_array_equal(one.frames, several.frames)
    clips = listed(SOURCE, root)
    assert [note["tags"] for note in one.notes] == [dict(clip.tags) for clip in clips]
    labels = SOURCE.vocabulary(root).labels
    assert [labels[note["label"]] for note in one.notes] == [clip.label for clip in clips]


def packed(root, cache, monkeypatch, num_workers, *, on_bad="fail"):
    monkeypatch.setenv("JAXMM_CACHE", str(cache))
    return packed_actions(SOURCE, root, Packing(view=VIEW, num_workers=num_workers, on_bad=on_bad))


def test_a_film_that_cannot_be_read_fails_or_is_left_out(tmp_path, monkeypatch):
    root = tmp_path / "films"
    for film, name in enumerate("abc"):
        write_video(root / f"{name}.mp4", striped_frames(12, film))
    (root / "b.mp4").write_bytes(b"no video at all")
    source = dataclasses.replace(SOURCE, num_val=0, num_test=0, kinds=("cropped",), copies=1)
    with pytest.raises(DataError, match=r"b\.mp4: is damaged, or no video"):
        packed_actions(source, root, Packing(view=VIEW))
    stored = packed_actions(source, root, Packing(view=VIEW, on_bad="skip"))
    assert {note["tags"]["source"] for note in stored.notes} == {"a.mp4", "c.mp4"}
    assert set(stored.about["bad"]) == {"b.mp4#000/original", "b.mp4#000/0-cropped"}


def test_a_check_finds_nothing_wrong_with_copies(root):
    report = check_videos(SOURCE, root, split=TagSplit())
    kinds = {problem.kind for problem in report.problems}
    assert kinds <= {"labels"}  # no excerpt of validation is one of training
    assert report.counts["videos"] == 4 * report.counts["classes"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"videos": "deep"}, r"/deep: holds 1 videos, of which 2 \+ 2 are to be held out; lower data.source.num_val"),
        ({"videos": "none"}, "/none: holds no video; add some"),
        ({"num_test": 5, "num_val": 1}, r": holds 6 videos, of which 1 \+ 5 are to be held out"),
        ({"num_test": 1}, r"one split \(test\) has a single video, which cannot be spliced with others of it"),
    ],
)
def test_what_there_is_too_little_of_is_said(changes, message, root):
    source = dataclasses.replace(SOURCE, **changes)
    for ask in (source.vocabulary, lambda root: listed(source, root)):
        with pytest.raises(DataError, match=message):
            ask(root)


def test_names_that_are_the_same_but_for_spaces_are_named(tmp_path):
    for name in ("a b.mp4", "a_b.mp4", "c.mp4"):
        (tmp_path / name).touch()
    source = dataclasses.replace(SOURCE, num_val=0, num_test=0)
    (problem,) = source.inventory(tmp_path).problems
    assert problem.message == (
        f"{tmp_path}: 'a b.mp4' and 'a_b.mp4' are the same but for spaces, which labels do not have; rename one"
    )


def test_a_folder_must_be_named(tmp_path):
    with pytest.raises(DataError, match=r"data.root is not set; give the folder that holds videos"):
        SOURCE.inventory(None)
    assert CopiedVideos(videos="/films").outside(tmp_path)[0].as_posix() == "/films"
    assert SOURCE.outside(tmp_path) == ()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"seconds": 0.0}, "seconds is 0.0; give seconds, above zero"),
        ({"stride": float("inf")}, "stride is inf; give seconds, above zero"),
        ({"copies": 0}, "copies is 0; give 1 or more"),
        ({"max_excerpts": 0}, "max_excerpts is 0; give 1 or more"),
        ({"num_val": -1}, "num_val is -1; give a number from 0 on"),
        ({"kinds": ("logo", "logo")}, "kinds is .*logo.*; choose one or more, each once, of reencoded"),
        ({"kinds": ()}, "kinds is"),
    ],
)
def test_settings_out_of_range_are_refused(wrong, message):
    with pytest.raises(ConfigError, match=f"data.source.{message}"):
        CopiedVideos(**wrong)


def test_a_reader_reads_the_whole_picture_where_it_is_asked_to(root, square_reader):
    path = root / "a.mp4"
    with VideoReader(size=24) as wide:
        whole = wide.read_clip(path, max_frames=2).pixels
        np.testing.assert_array_equal(wide.read_clip(path, max_frames=2, square=True).pixels, whole[:, :, 6:30])
    assert whole.shape == (2, 24, 36, 3)
    np.testing.assert_array_equal(square_reader.read_clip(path, max_frames=2, square=False).pixels, whole)
