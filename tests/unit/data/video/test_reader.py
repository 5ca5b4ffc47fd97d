"""What is read of a sound file."""

import itertools
import pickle
from fractions import Fraction
from multiprocessing import get_context

import numpy as np
import pytest

from jaxmm.data.video.reader import VideoReader
from jaxmm.data.video.sampling import SegmentFrames
from jaxmm.errors import ConfigError, DataError

from .films import CODECS, grey_frames, in_threads, numbers_of, write_video

ONE = 1 << 16
# In the layout of QuickTime: a pixel at (x, y) is shown at (a x + c y, b x + d y). What the top left corner becomes.
MATRICES = {
    "as it is": ((ONE, 0, 0, ONE), "top left"),
    "a quarter clockwise": ((0, ONE, -ONE, 0), "top right"),
    "half a turn": ((-ONE, 0, 0, -ONE), "bottom right"),
    "a quarter counterclockwise": ((0, -ONE, ONE, 0), "bottom left"),
    "left to right": ((-ONE, 0, 0, ONE), "top right"),
    "top to bottom": ((ONE, 0, 0, -ONE), "bottom left"),
}


def marked_frames(num_frames=4, height=48, width=64):
    """Black frames with a white corner at the top left."""
    frames = np.zeros((num_frames, height, width, 3), np.uint8)
    frames[:, :16, :16] = 255
    return frames


def white_corner(pixels):
    corners = {
        "top left": pixels[:8, :8],
        "top right": pixels[:8, -8:],
        "bottom left": pixels[-8:, :8],
        "bottom right": pixels[-8:, -8:],
    }
    return max(corners, key=lambda name: corners[name].mean())


@pytest.mark.parametrize("ending", CODECS)
def test_frames_are_found_by_their_numbers_in_any_order_and_several_times(ending, reader, tmp_path):
    path = write_video(tmp_path / f"film{ending}")
    pixels = reader.read_frames(path, [29, 0, 7, 7])
    assert pixels.shape == (4, 48, 64, 3) and pixels.dtype == np.uint8
    assert numbers_of(pixels) == [29, 0, 7, 7]
    assert numbers_of(reader.read_clip(path).pixels) == list(range(30))


def test_colours_are_those_that_were_written(reader, tmp_path):
    frames = np.broadcast_to(np.array([200, 40, 90], np.uint8), (3, 48, 64, 3))
    for ending in (".mp4", ".mov"):  # of limited range and of full range
        pixels = reader.read_frames(write_video(tmp_path / f"colour{ending}", frames), [1])
        np.testing.assert_allclose(pixels.mean(axis=(0, 1, 2)), [200, 40, 90], atol=4)


def test_frames_are_found_by_the_times_at_which_they_are_shown(reader, film, tmp_path):
    assert numbers_of(reader.read_times(film, [0.55, 0.0, 2.99, 0.1])) == [5, 0, 29, 1]
    uneven = write_video(tmp_path / "uneven.mkv", grey_frames(6), times=[0, 100, 200, 700, 800, 900])
    assert numbers_of(reader.read_times(uneven, [0.65, 0.75])) == [2, 3]
    assert numbers_of(reader.read_clip(uneven, fps=10.0).pixels) == [0, 1, 2, 2, 2, 2, 2, 3, 4, 5]
    with pytest.raises(DataError, match=r"grey.mp4: shows nothing at 3.5 s: it ends at 3 s"):
        reader.read_times(film, [0.0, 3.5])


def test_a_clip_at_fewer_or_more_frames_a_second_lasts_as_long(reader, film):
    fewer = reader.read_clip(film, fps=2.5)
    assert numbers_of(fewer.pixels) == [0, 4, 8, 12, 16, 20, 24, 28] and fewer.fps == 2.5
    more = reader.read_clip(film, fps=20.0)
    assert numbers_of(more.pixels) == [number // 2 for number in range(60)] and more.seconds == 3.0
    assert not fewer.cut and not more.cut


def test_a_stretch_of_a_file_is_read_as_of_a_file_of_its_own(reader, film):
    assert numbers_of(reader.read_clip(film, start=1.0, end=1.5).pixels) == [10, 11, 12, 13, 14]
    assert numbers_of(reader.read_clip(film, start=2.7).pixels) == [27, 28, 29]
    assert numbers_of(reader.read_clip(film, fps=5.0, start=1.0, end=2.0).pixels) == [10, 12, 14, 16, 18]
    with pytest.raises(DataError, match=r"grey.mp4: shows nothing from 5 s on"):
        reader.read_clip(film, fps=5.0, start=5.0)
    with pytest.raises(DataError, match=r"grey.mp4: shows nothing from 5 s on"):
        reader.read_clip(film, start=5.0)
    with pytest.raises(DataError, match=r"grey.mp4: shows nothing from 1.02 s on"):
        reader.read_clip(film, start=1.02, end=1.05)
    assert numbers_of(reader.read_clip(film, fps=5.0, start=1.02, end=1.05).pixels) == [10]


@pytest.mark.parametrize("ending", [".avi", ".mkv", ".ts"])
def test_a_stretch_late_in_a_file_is_entered_where_it_begins(ending, reader, tmp_path):
    path = write_video(tmp_path / f"long{ending}", grey_frames(60), gop=10)
    assert numbers_of(reader.read_clip(path, start=4.5).pixels) == list(range(45, 60))
    assert numbers_of(reader.read_clip(path, fps=5.0, start=4.5, end=5.5).pixels) == [45, 47, 49, 51, 53]


def test_no_more_frames_are_read_than_asked_for(reader, film):
    some = reader.read_clip(film, max_frames=7)
    assert numbers_of(some.pixels) == list(range(7)) and some.cut and some.fps == 10.0
    assert not reader.read_clip(film, max_frames=30).cut


def test_a_stream_yields_the_frames_of_a_clip_one_by_one(reader, film):
    whole = reader.read_clip(film, fps=5.0).pixels
    np.testing.assert_array_equal(np.stack(list(reader.stream(film, fps=5.0))), whole)
    some = list(itertools.islice(reader.stream(film), 3))
    assert numbers_of(np.stack(some)) == [0, 1, 2]
    assert numbers_of(reader.read_frames(film, [4])) == [4]


@pytest.mark.parametrize("turn", MATRICES)
def test_frames_are_turned_as_the_file_says(turn, reader, tmp_path):
    (a, b, c, d), corner = MATRICES[turn]
    path = write_video(tmp_path / "turned.mp4", marked_frames(), matrix=(a, b, 0, c, d, 0, 0, 0, 1 << 30))
    pixels, info = reader.read_frames(path, [2])[0], reader.info(path)
    shape = (64, 48) if "quarter" in turn else (48, 64)
    assert pixels.shape == (*shape, 3) and (info.height, info.width) == shape
    assert white_corner(pixels) == corner


def test_pixels_that_are_no_squares_become_squares(reader, tmp_path):
    path = write_video(tmp_path / "wide.mp4", marked_frames(), aspect=Fraction(2, 1))
    assert reader.info(path).width == 128
    assert reader.read_frames(path, [0]).shape == (1, 48, 128, 3)


def test_frames_are_scaled_by_their_shorter_side_and_cut_square(tmp_path):
    path = write_video(tmp_path / "marked.mp4", marked_frames(height=48, width=96))
    with VideoReader(size=24) as scaling, VideoReader(size=24, square=True) as cutting:
        scaled, cut = scaling.read_frames(path, [0]), cutting.read_frames(path, [0])
    assert scaled.shape == (1, 24, 48, 3) and cut.shape == (1, 24, 24, 3)
    np.testing.assert_array_equal(cut, scaled[:, :, 12:36])


@pytest.mark.parametrize(("ending", "orientation"), [(".jpg", 6), (".png", 1)])
def test_a_picture_is_a_video_of_one_frame(ending, orientation, reader, tmp_path):
    from PIL import Image

    path, exif = tmp_path / f"picture{ending}", Image.Exif()
    exif[0x0112] = orientation  # 6: to be shown a quarter clockwise
    Image.fromarray(marked_frames()[0]).save(path, exif=exif)
    pixels, info = reader.read_clip(path, fps=8.0).pixels, reader.info(path)
    shape = (64, 48) if orientation == 6 else (48, 64)
    assert pixels.shape == (1, *shape, 3) and (info.num_frames, info.height, info.width) == (1, *shape)
    assert white_corner(pixels[0]) == ("top right" if orientation == 6 else "top left")
    np.testing.assert_array_equal(reader.read_frames(path, [0])[0], pixels[0])
    with pytest.raises(DataError, match="has no frame 1: it holds 1"):
        reader.read_frames(path, [1])


def test_a_picture_of_sixteen_bits_is_as_bright_as_one_of_eight(reader, tmp_path):
    from PIL import Image

    greys = np.arange(48 * 64, dtype=np.uint16).reshape(48, 64) * 21
    Image.fromarray(greys).save(tmp_path / "deep.png")
    np.testing.assert_array_equal(reader.read_clip(tmp_path / "deep.png").pixels[0, :, :, 1], greys // 256)


def test_a_file_says_how_long_it_is_and_is_not_believed_where_it_is_wrong(reader, tmp_path):
    path = write_video(tmp_path / "film.avi", grey_frames(30))
    info = reader.info(path)
    assert (info.num_frames, info.fps, info.seconds, info.counted) == (30, 10.0, pytest.approx(3.0), False)
    content = bytearray(path.read_bytes())
    length = content.index(b"strh") + 8 + 32
    assert int.from_bytes(content[length : length + 4], "little") == 30
    content[length : length + 4] = (28).to_bytes(4, "little")
    path.write_bytes(content)
    again = reader.info(path)
    assert again.num_frames == 30
    assert again.counted or reader.scan(path).num_frames == 30
    unsaid = reader.info(write_video(tmp_path / "film.mkv", grey_frames(30)))
    assert (unsaid.num_frames, unsaid.counted) == (30, True)


def test_the_length_is_that_of_the_pictures_where_the_sound_goes_on(reader, tmp_path):
    path = write_video(tmp_path / "sound.mp4", grey_frames(6), sound=2.0)
    assert reader.info(path).seconds == reader.scan(path).seconds == pytest.approx(0.6)
    assert numbers_of(reader.read_clip(path, fps=10.0).pixels) == list(range(6))


def test_several_threads_read_at_once(reader, film, tmp_path):
    other = write_video(tmp_path / "other.mkv", grey_frames(12))
    found = in_threads(*(lambda path=path: reader.read_clip(path).pixels for path in (film, other) * 3))
    assert [len(pixels) for pixels in found] == [30, 12] * 3
    assert all(numbers_of(pixels) == list(range(len(pixels))) for pixels in found)


def test_a_reader_goes_to_another_process_and_is_used_again_after_it_was_closed(film):
    with VideoReader(size=16, time_limit_s=20.0) as reader:
        assert numbers_of(reader.read_frames(film, [3])) == [3]
        copy = pickle.loads(pickle.dumps(reader))
        assert (copy.size, copy.time_limit_s) == (16, 20.0)
        # Spawned and daemonic, as Grain's workers are.
        with get_context("spawn").Pool(1) as pool:
            assert numbers_of(pool.apply(reader.read_frames, (film, [5]))) == [5]
    assert numbers_of(reader.read_frames(film, [4])) == [4]
    reader.close()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"size": 0}, "size of frames is 0"),
        ({"time_limit_s": 0}, "time_limit_s is 0; give a value above zero"),
        ({"memory_mib": 0}, "memory_mib is 0; give a value above zero"),
    ],
)
def test_settings_out_of_range_are_refused(wrong, message):
    with pytest.raises(ConfigError, match=message):
        VideoReader(**wrong)


def test_questions_without_an_answer_are_refused(reader, film):
    for call in (
        lambda: reader.read_frames(film, []),
        lambda: reader.read_frames(film, [-1]),
        lambda: reader.read_times(film, [-0.5]),
        lambda: reader.read_times(film, [float("nan")]),
    ):
        with pytest.raises(DataError, match="were asked for; give one"):
            call()
    with pytest.raises(DataError, match=r"grey.mp4: has no frame 30: it holds 30"):
        reader.read_frames(film, [2, 30])
    for wrong in ({"fps": 0.0}, {"fps": -1.0}, {"start": -1.0}, {"end": 0.0}, {"start": 1.0, "end": 0.5}):
        for read in (reader.read_clip, lambda path, **wrong: list(reader.stream(path, **wrong))):
            with pytest.raises(DataError, match=r"grey.mp4: .* was asked for; give a rate above zero, and a start"):
                read(film, **wrong)
    with pytest.raises(DataError, match=r"grey.mp4: 0 frames at most were asked for; give one or more"):
        reader.read_clip(film, max_frames=0)


def test_real_videos_are_read_as_they_say(reader, shared_data):
    folder = shared_data / "video"
    if not folder.is_dir():
        pytest.skip("needs the real videos of ../shared/data/video")
    paths = sorted(path for path in folder.iterdir() if path.suffix in (".avi", ".mp4"))
    assert len(paths) == 12
    with VideoReader(size=64, square=True) as small:
        for path in paths:
            info = small.info(path)
            picked = SegmentFrames().pick(info.num_frames, 5)
            picked[-1] = info.num_frames - 1
            assert small.read_frames(path, picked).std() > 10
            clip = small.read_clip(path, fps=4.0)
            assert clip.pixels.shape[1:] == (64, 64, 3)
            assert abs(len(clip.pixels) - 4 * info.seconds) <= 2, path.name
            with pytest.raises(DataError, match=f"has no frame {info.num_frames}"):
                small.read_frames(path, [info.num_frames])
