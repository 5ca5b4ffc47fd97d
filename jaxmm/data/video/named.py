"""Videos that are named one by one or by their folders: which files these are, and their frames."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from jaxmm.data.action_videos import ActionVideos
from jaxmm.data.video.listing import is_video
from jaxmm.data.video.reader import Frames
from jaxmm.errors import DataError


def named_videos(paths: Sequence[Path]) -> dict[Path, Path]:
    """Returns files that are named, or lie below folders that are, each with its place below what named it.

    Args:
        paths: Videos or pictures, and folders of them.

    Raises:
        DataError: If a path is neither a file nor a folder, or a folder holds no file.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> (folder / "a.mp4").touch()
        >>> [str(place) for place in named_videos([folder]).values()]
        ['a.mp4']
    """
    named = dict[Path, Path]()
    for path in paths:
        if path.is_file():
            named[path] = Path(path.name)
        elif not path.is_dir():
            raise DataError(f"{path}: no such file or folder; check the path")
        elif not (files := [file for file in sorted(path.rglob("*")) if is_video(file)]):
            raise DataError(f"{path}: holds no video; give a folder of videos")
        else:
            named |= {file: file.relative_to(path) for file in files}
    return named


def read_named(paths: Sequence[Path], data: ActionVideos) -> Iterator[tuple[Path, Frames | DataError]]:
    """Yields what settings keep of each file; of one that cannot be read, why.

    A file that hangs, or makes its decoder die, costs no more than the time limit of the settings.

    Args:
        paths: Videos or pictures.
        data: The settings.

    Raises:
        MissingExtraError: If the extra `video` is not installed.

    Example:
        >>> list(read_named([Path("no/such.mp4")], ActionVideos()))[0][1]
        DataError('no/such.mp4: no such file; check the path')
    """
    with data.reader(time_limit_s=data.time_limit_s) as reader:
        for path in paths:
            try:
                yield path, reader.read_clip(path, fps=data.fps, max_frames=data.max_frames)
            except DataError as error:
                yield path, error
