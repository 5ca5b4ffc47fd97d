"""What is drawn on frames, where, and for how long."""

import numpy as np
import pytest

from jaxmm.actions.annotation import COMMENT, annotate_file, draw_answer, drawn, films_of
from jaxmm.actions.files import classify_files
from jaxmm.actions.told import Glance, Told
from jaxmm.data.video.reader import VideoReader
from jaxmm.errors import DataError
from jaxmm.rendering.film import write_mp4

pytest.importorskip("PIL")
GREY = np.full((240, 320, 3), 128, np.uint8)


def bar_of(picture, row, rows):
    """Pixels of the blue or grey bar in the middle of a row of the panel."""
    changed = (picture != 128).any(-1)
    top, bottom = np.flatnonzero(changed.any(axis=1))[[0, -1]]
    line = picture[round(top + (bottom - top + 1) * (row + 0.12) / rows)].astype(int)
    return int((line.max(-1) > 90).sum() - (line == 128).all(-1).sum())


def test_bars_are_as_long_as_classes_are_likely():
    picture = draw_answer(GREY, ("walk", "run", "bow"), (0.6, 0.3, 0.1))
    first, second, third = (bar_of(picture, row, 3) for row in range(3))
    assert first > 20
    assert second / first == pytest.approx(0.5, abs=0.1)
    assert third / first == pytest.approx(1 / 6, abs=0.1)
    assert (GREY == 128).all()
    assert (picture[:120] == 128).all() and (picture[:, -40:] == 128).all()


@pytest.mark.parametrize("size", [(240, 320), (32, 32), (1080, 608), (50, 400)])
def test_names_of_any_length_and_pictures_of_any_size_fit(size):
    picture = np.full((*size, 3), 128, np.uint8)
    names = tuple(f"{'a_very_long_name_of_a_class_' * 4}{number}" for number in range(40))
    found = draw_answer(picture, names, (1 / 40,) * 40)
    assert found.shape == picture.shape
    assert (found != 128).any()
    assert (found[:, -1] == 128).all()


def test_an_answer_is_shown_from_its_time_to_the_next():
    glances = [
        Glance(frame=0, seconds=time, window_s=0, latency_ms=1, classes=(name,), probabilities=(1.0,))
        for time, name in ((0.2, "walk"), (0.3, "a run"))
    ]
    pictures = list(drawn(((count / 10, GREY[:101, :99]) for count in range(5)), glances))
    assert {picture.shape for picture in pictures} == {(100, 98, 3)}
    assert (pictures[0] == pictures[1]).all() and (pictures[3] == pictures[4]).all()
    assert (pictures[0] == 128).all() and (pictures[1] != pictures[2]).any() and (pictures[2] != pictures[3]).any()


def test_a_film_is_annotated_at_its_own_rate_and_large_enough_to_read(films, tmp_path):
    av = pytest.importorskip("av")
    told = Told(films / "long.mp4", ("walk", "run"), (0.9, 0.1))
    assert annotate_file(tmp_path / "long.mp4", told.path, [told]) == 24
    assert annotate_file(tmp_path / "cut.mp4", told.path, [told], seconds=0.5) == 6
    with av.open(str(tmp_path / "long.mp4")) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
        assert (container.streams.video[0].average_rate, container.metadata["comment"]) == (12, COMMENT)
    assert len(frames) == 24 and frames[0].shape == (240, 360, 3)


def test_a_film_of_enormous_pictures_is_annotated_at_the_largest_that_is_read(films, tmp_path, monkeypatch):
    monkeypatch.setattr("jaxmm.actions.annotation.LARGEST_FRAME", 200)
    with VideoReader() as reader:
        annotate_file(tmp_path / "a.mp4", films / "long.mp4", [], seconds=0.2)
        assert reader.read_frames(tmp_path / "a.mp4", [0]).shape == (1, 200, 300, 3)


def test_films_lie_as_files_do_and_none_is_written_twice(films, model, tmp_path):
    given = [films, films / "more" / "short.mp4"]
    found = films_of(given, tmp_path / "out")
    assert found == {
        films / "long.mp4": tmp_path / "out" / "long.mp4",
        films / "more" / "short.mp4": tmp_path / "out" / "short.mp4",
    }
    assert set(films_of(given, None).values()) == {None}
    told = list(classify_files(model, [films], annotate=tmp_path / "out"))
    assert len(told) == 2 and (tmp_path / "out" / "more" / "short.mp4").is_file()
    with pytest.raises(DataError, match="is not an empty folder"):
        films_of(given, tmp_path / "out")
    (tmp_path / "long.avi").touch()
    with pytest.raises(DataError, match=r"long.mp4: would be written of 2 videos"):
        films_of([films, tmp_path / "long.avi"], tmp_path / "new")


def test_a_film_that_breaks_off_leaves_nothing(tmp_path):
    pytest.importorskip("av")

    def broken():
        yield GREY
        raise DataError("the file is damaged")

    with pytest.raises(DataError, match="the file is damaged"):
        write_mp4(tmp_path / "a.mp4", broken(), fps=8.0)
    assert not list(tmp_path.iterdir())
