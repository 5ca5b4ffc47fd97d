"""What the sources of labelled videos share: files from the rows of lists, and what is wrong with them."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from jaxmm.data.inventory import Inventory, Problem, Recording
from jaxmm.data.segmentation.vocabulary import Vocabulary
from jaxmm.data.video.clip import ActionVideo, VideoFile
from jaxmm.data.video.info import STILL_ENDINGS, VIDEO_ENDINGS
from jaxmm.data.video.lists import Row
from jaxmm.errors import DataError, brief


def is_video(path: Path) -> bool:
    """Tells by its ending whether a file is a video or a picture; hidden ones are none.

    Example:
        >>> is_video(Path("YoYo/a.AVI")), is_video(Path("YoYo/a.txt"))
        (True, False)
    """
    return path.suffix.lower() in (*VIDEO_ENDINGS, *STILL_ENDINGS) and not path.name.startswith(".")


def files_of(rows: Iterable[Row], build: Callable[[Row], VideoFile]) -> tuple[list[VideoFile], list[Problem]]:
    """Returns the files that rows name, and what is wrong with those rows that name none.

    Args:
        rows: The rows.
        build: Makes the file of a row, or raises a DataError.

    Example:
        >>> rows = [Row(where=f"videos.csv:{line}", values={}) for line in (2, 3)]
        >>> files, problems = files_of(rows, lambda row: VideoFile(key="a", path=Path("a.mp4"), label="jump"))
        >>> len(files), problems[0].message
        (1, "videos.csv:3: 'a' was named at videos.csv:2; name each video once")
    """
    files, problems, named = list[VideoFile](), list[Problem](), dict[str, str]()
    for row in rows:
        try:
            file = build(row)
            if file.key in named:
                raise DataError(f"{row.where}: {brief(file.key)} was named at {named[file.key]}; name each video once")
            named[file.key] = row.where
            files.append(file)
        except DataError as error:
            problems.append(Problem(kind="lists", message=str(error)))
    return files, problems


def inventory_of(
    files: Sequence[ActionVideo], problems: Iterable[Problem], vocabulary: Callable[[], Vocabulary]
) -> Inventory[ActionVideo]:
    """Lists files without reading them, each as one recording.

    Args:
        files: The files.
        problems: What is wrong with the lists.
        vocabulary: Returns the classes, or raises a DataError, which is one more problem where there is none yet.
    """
    problems = [*problems, *unnamable(file.key for file in files)]
    try:
        vocabulary()
    except DataError as error:
        problems += [] if problems else [Problem(kind="labels", message=str(error))]

    def recording(file: ActionVideo) -> Recording[ActionVideo]:
        return Recording(key=file.key, read=lambda: (file,))

    named = [file for file in files if is_text(file.key)]
    return Inventory(recordings=tuple(map(recording, named)), problems=tuple(problems))


def is_text(name: str) -> bool:
    r"""Tells whether a file's name is text, not other bytes, which could be neither hashed, written nor printed.

    Example:
        >>> is_text("caf\u00e9.mp4"), is_text("caf\udce9.mp4")
        (True, False)
    """
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def unnamable(names: Iterable[str]) -> Iterator[Problem]:
    """Yields a problem for each name that is not text."""
    for name in names:
        if not is_text(name):
            yield Problem(kind="files", message=f"{brief(name)}: the file's name is not UTF-8 text; rename it")


def outside(root: Path | None, names: Iterable[str]) -> tuple[Path, ...]:
    """Returns those folders, named below a root or by absolute paths, that do not lie below it.

    Example:
        >>> outside(Path("/data"), ("videos", "/videos"))
        (PosixPath('/videos'),)
    """
    if root is None:
        return ()
    return tuple(root / name for name in names if not (root / name).resolve().is_relative_to(root.resolve()))
