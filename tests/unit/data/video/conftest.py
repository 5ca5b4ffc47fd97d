"""Readers and films that the tests of videos share."""

import pytest

from jaxmm.data.video.reader import VideoReader

from .films import grey_frames, write_video


@pytest.fixture(scope="module")
def reader():
    """A reader that leaves frames as they are."""
    pytest.importorskip("av")
    with VideoReader(time_limit_s=30.0) as reader:
        yield reader


@pytest.fixture(scope="session")
def film(tmp_path_factory):
    """A sound film of thirty frames in three seconds, as `grey_frames` makes them."""
    pytest.importorskip("av")
    return write_video(tmp_path_factory.mktemp("film") / "grey.mp4", grey_frames(30))


@pytest.fixture(scope="session")
def class_folder(tmp_path_factory):
    """Two classes of six small films each, which differ in length and content."""
    pytest.importorskip("av")
    root = tmp_path_factory.mktemp("classes")
    for label, codec in (("jump", ".avi"), ("air walk", ".mp4")):
        for number in range(6):
            frames = grey_frames(10 + 3 * number, 32, 40) // 2 + number + 20 * (label == "jump")
            write_video(root / label / f"{number}{codec}", frames)
    return root
