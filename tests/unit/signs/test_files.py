"""Writing what a model signs."""

from pathlib import Path

import numpy as np
import pytest

from jaxmm.data.sign.clip import SignClip
from jaxmm.data.sign.folder import read_sign_folder
from jaxmm.data.sign.layout import HOLISTIC
from jaxmm.data.sign.pose_file import read_pose
from jaxmm.errors import ConfigError, DataError
from jaxmm.files import check_free
from jaxmm.page.sign_picture import sign_pictures
from jaxmm.signs.files import write_animation, write_signs, write_trajectory

SHOULDERS = [HOLISTIC.landmark(f"body/{side}_SHOULDER") for side in ("LEFT", "RIGHT")]
LEFT = HOLISTIC.part_features("left_hand")


def signing(key="a", seed=0, num_frames=4, **fields):
    """A clip whose shoulders are one apart about the origin, and whose left hand is seen in every second frame."""
    rng = np.random.default_rng(seed)
    frames = rng.uniform(-1.5, 1.5, size=(num_frames, 540)).astype(np.float32)
    frames[:, 3:132:4] = rng.uniform(0.01, 1, size=(num_frames, 33))
    frames[1::2, LEFT] = 0
    for place, x in zip(HOLISTIC.position_features[SHOULDERS], (0.5, -0.5), strict=True):
        frames[:, place] = (x, 0, 0)
    return SignClip(**{"key": key, "frames": frames, "fps": 12.5, "gloss": "I GO", "signer": "eva", **fields})


def names(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def test_clips_are_read_back_from_both_kinds_of_files(tmp_path):
    clips = [signing("a"), signing("b", seed=1, num_frames=7, gloss=None, sentence='He said: "go,\nnow"')]
    out = tmp_path / "new" / "signs"
    write_signs(out, clips)
    assert names(out) == ["a.npy", "a.pose", "b.npy", "b.pose", "metadata.csv"]
    assert names(tmp_path / "new") == ["signs", *(f"signs/{name}" for name in names(out))]
    for clip, read in zip(clips, read_sign_folder(out), strict=True):
        np.testing.assert_array_equal(read.frames, clip.frames)
        for name in ("key", "gloss", "sentence", "signer", "fps"):
            assert getattr(read, name) == getattr(clip, name)
        frames, fps = read_pose(out / f"{clip.key}.pose")
        np.testing.assert_allclose(frames, clip.frames, rtol=0, atol=1e-5)
        assert fps == clip.fps


def test_an_empty_folder_is_filled(tmp_path):
    (tmp_path / "signs").mkdir()
    write_signs(tmp_path / "signs", [signing("sub/a")])
    assert names(tmp_path / "signs") == ["metadata.csv", "sub", "sub/a.npy", "sub/a.pose"]


def test_the_folder_where_one_stands_can_be_named_by_a_dot(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_signs(Path("."), [signing()])
    assert names(tmp_path) == ["a.npy", "a.pose", "metadata.csv"]


@pytest.mark.parametrize("held", ["metadata.csv", "thesis.txt"])
def test_a_folder_that_holds_something_is_refused_and_left_alone(held, tmp_path):
    (tmp_path / held).write_text("years of work")
    with pytest.raises(DataError, match="is not an empty folder; choose another"):
        write_signs(tmp_path, [signing()])
    assert names(tmp_path) == [held]
    assert (tmp_path / held).read_text() == "years of work"


def test_a_file_is_no_folder_to_write(tmp_path):
    (tmp_path / "signs").write_text("")
    with pytest.raises(DataError, match="is not an empty folder"):
        check_free(tmp_path / "signs")


BAD = {
    "signs/b.pose: no frame shows both shoulders": lambda: signing("b", frames=np.zeros((3, 540), np.float32)),
    "two recordings have this key": lambda: signing("a"),
    "which a table cannot hold": lambda: signing("b", gloss="NaN"),
    "is no path below a folder": lambda: signing("../b"),
}


@pytest.mark.parametrize("message", BAD)
@pytest.mark.parametrize("existing", [False, True])
def test_nothing_is_left_where_a_clip_cannot_be_written(message, existing, tmp_path):
    out = tmp_path / "inner" / "signs"
    if existing:
        out.mkdir(parents=True)
    with pytest.raises(DataError, match=message):
        write_signs(out, [signing("a"), BAD[message]()])
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
    assert names(tmp_path) in (["inner"], ["inner", "inner/signs"])
    write_signs(out, [signing("a")])


def test_no_clip_is_refused(tmp_path):
    with pytest.raises(DataError, match="give one or more"):
        write_signs(tmp_path / "signs", [])
    assert names(tmp_path) == []


# Pictures


def test_coordinates_are_drawn_by_the_names_of_landmarks(tmp_path, monkeypatch):
    """Each landmark has axes of its own, with a line a coordinate, and gaps where it was not detected."""
    figure = pytest.importorskip("matplotlib.figure").Figure
    saved = []
    monkeypatch.setattr(figure, "savefig", lambda self, path: saved.append((self, path)))
    clip = signing(num_frames=6)
    landmarks = ["left_hand/WRIST", "body/LEFT_SHOULDER"]
    write_trajectory(tmp_path / "a.png", clip, landmarks)
    ((drawn, path),) = saved
    assert path == tmp_path / "a.png"
    assert [axes.get_title() for axes in drawn.axes] == landmarks
    for axes, name in zip(drawn.axes, landmarks, strict=True):
        assert [line.get_label() for line in axes.lines] == ["x", "y", "z"]
        for line, coord in zip(axes.lines, "xyz", strict=True):
            values = clip.frames[:, HOLISTIC.feature(name, coord)].astype(np.float64)
            if name == "left_hand/WRIST":
                values[1::2] = np.nan
            np.testing.assert_allclose(line.get_xdata(), np.arange(6) / 12.5)
            np.testing.assert_array_equal(line.get_ydata(), values.astype(np.float32))


@pytest.mark.parametrize(("ending", "start"), [("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF")])
def test_a_picture_of_the_kind_of_its_ending_is_written(ending, start, tmp_path):
    pytest.importorskip("matplotlib")
    path = tmp_path / f"a.{ending}"
    write_trajectory(path, signing(), ["right_hand/WRIST"])
    assert path.read_bytes().startswith(start)


@pytest.mark.parametrize(
    ("landmarks", "message"),
    [
        (["tail/TIP"], "no landmark 'tail/TIP'; write part/landmark with a part among body, left_hand"),
        (["WRIST"], "a part among body, left_hand, right_hand, face"),
        (["right_hand/WRIST", "body/TAIL"], "no landmark 'body/TAIL'; body has NOSE"),
        ([], "no landmark is named"),
    ],
)
def test_a_landmark_that_there_is_not_is_refused_before_anything_is_drawn(landmarks, message, tmp_path):
    with pytest.raises(ConfigError, match=message):
        write_trajectory(tmp_path / "a.png", signing(), landmarks)
    assert names(tmp_path) == []


@pytest.mark.parametrize("ending", ["", ".bmp3", ".gif.txt"])
def test_a_plot_of_an_unknown_kind_is_refused(ending, tmp_path):
    pytest.importorskip("matplotlib")
    with pytest.raises(ConfigError, match=r"end its name with .*\.pdf, .*\.png"):
        write_trajectory(tmp_path / f"a{ending}", signing(), ["right_hand/WRIST"])
    assert names(tmp_path) == []


@pytest.mark.parametrize(("ending", "part"), [("gif", b"GIF89a"), ("GIF", b"GIF89a"), ("mp4", b"ftyp")])
def test_an_animation_of_the_kind_of_its_ending_is_written(ending, part, tmp_path):
    pytest.importorskip("PIL" if ending.lower() == "gif" else "av")
    write_animation(tmp_path / f"a.{ending}", signing())
    assert part in (tmp_path / f"a.{ending}").read_bytes()[:16]


@pytest.mark.parametrize("fps", [25.0, 29.97, 120.0, 0.5])
def test_an_mp4_has_every_frame_at_the_clips_rate(fps, tmp_path):
    av = pytest.importorskip("av")
    clip = signing(num_frames=8, fps=fps)
    write_animation(tmp_path / "a.mp4", clip)
    with av.open(str(tmp_path / "a.mp4")) as container:
        stream = container.streams.video[0]
        assert float(stream.average_rate) == pytest.approx(fps, rel=1e-4)
        assert stream.codec_context.name == "h264"
        assert "signing" in container.metadata["comment"]
        frames = [frame.to_image() for frame in container.decode(stream)]
    assert len(frames) == 8
    drawn = next(sign_pictures(clip))
    assert frames[0].size == drawn.size
    assert np.abs(np.asarray(frames[0]).astype(int) - np.asarray(drawn).astype(int)).mean() < 4


@pytest.mark.parametrize(("ending", "told"), [(".avi", ".avi"), ("", "a file without an ending"), (".png", ".png")])
def test_an_animation_of_an_unknown_kind_is_refused(ending, told, tmp_path):
    with pytest.raises(ConfigError, match=rf"cannot be written as {told}; end its name with .gif or .mp4"):
        write_animation(tmp_path / f"a{ending}", signing())
    assert names(tmp_path) == []


def test_a_picture_that_cannot_be_written_is_told(tmp_path):
    pytest.importorskip("matplotlib")
    with pytest.raises(DataError, match="cannot be written"):
        write_animation(tmp_path / "absent" / "a.gif", signing())
    with pytest.raises(DataError, match="cannot be written"):
        write_trajectory(tmp_path / "absent" / "a.png", signing(), ["right_hand/WRIST"])
