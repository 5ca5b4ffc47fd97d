"""Writing what a model signs: features, `.pose` files, moving pictures, and a plot of landmarks over time."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from jaxmm.data.sign.clip import SignClip
from jaxmm.data.sign.folder import write_sign_folder
from jaxmm.data.sign.pose_file import write_pose
from jaxmm.errors import ConfigError, DataError, MissingExtraError
from jaxmm.files import check_free
from jaxmm.page.animation import ANIMATIONS, check_animation, gif_bytes
from jaxmm.page.sign_picture import sign_pictures
from jaxmm.rendering.film import write_mp4


def write_signs(out: Path, clips: Sequence[SignClip]) -> None:
    """Writes clips as `.npy` features with `metadata.csv`, and each as a `.pose` file: all of them or none.

    Args:
        out: Folder to write, new or empty.
        clips: One or more clips with distinct keys, in original units.

    Raises:
        DataError: If the folder holds something already, or a clip cannot be written.
        MissingExtraError: If the extra `sign` is not installed.

    Example:
        >>> import tempfile
        >>> out = Path(tempfile.mkdtemp()) / "signs"
        >>> clip = SignClip(key="hello", frames=np.zeros((2, 540), np.float32), fps=25.0, gloss="HELLO")
        >>> write_signs(out, [clip])
        Traceback (most recent call last):
        jaxmm.errors.DataError: ...hello.pose: no frame shows both shoulders, which units are measured by; drop the ...
        >>> out.exists()
        False
    """
    check_free(out)
    try:
        write_sign_folder(clips, out)
        for clip in clips:
            write_pose(out / f"{clip.key}.pose", clip.frames, clip.fps)
    except BaseException:
        shutil.rmtree(out.resolve(), ignore_errors=True)  # it held nothing before
        raise


def write_trajectory(path: Path, clip: SignClip, landmarks: Sequence[str]) -> None:
    """Draws the coordinates of landmarks over time (D13).

    Args:
        path: Picture to write; its ending says of which kind, such as `.png`.
        clip: The clip.
        landmarks: Names `part/landmark`.

    Raises:
        ConfigError: If there is no such landmark, none is named, or pictures of that kind cannot be written.
        DataError: If the file cannot be written.
        MissingExtraError: If the extra `plots` is not installed.

    Example:
        >>> clip = SignClip(key="hello", frames=np.zeros((2, 540), np.float32), fps=25.0, gloss="HELLO")
        >>> write_trajectory(Path("hello.png"), clip, ["tail/TIP"])
        Traceback (most recent call last):
        jaxmm.errors.ConfigError: there is no landmark 'tail/TIP'; write part/landmark with a part among body, ...
    """
    if not landmarks:
        raise ConfigError("no landmark is named; give one or more, such as right_hand/WRIST")
    places = [clip.layout.landmark(name) for name in landmarks]
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtraError.of("matplotlib", extra="plots") from error
    figure = Figure(figsize=(8, 2.2 * len(places)), layout="constrained")
    _ending(path, tuple(sorted(figure.canvas.get_supported_filetypes())))
    seconds = np.arange(clip.num_frames) / clip.fps
    for row, (name, place) in enumerate(zip(landmarks, places, strict=True), 1):
        axes = figure.add_subplot(len(places), 1, row)
        positions = clip.frames[:, clip.layout.position_features[place]]
        seen = (positions != 0).any(axis=1)
        for coord, values in zip("xyz", positions.T, strict=True):
            axes.plot(seconds, np.where(seen, values, np.nan), label=coord)
        axes.set_title(name)
        axes.set_ylabel("shoulder widths")
        axes.legend(loc="upper right")
        axes.set_xlabel("seconds")
    try:
        figure.savefig(path)
    except OSError as error:
        raise _unwritten(path, error) from error


def write_animation(path: Path, clip: SignClip) -> None:
    """Draws a clip as a moving picture, seen from the front, at the clip's frame rate.

    Args:
        path: File to write, `.gif` or `.mp4`. A `.gif` rounds times to hundredths of a second, and of more than 50
            frames a second it keeps as many as it can show.
        clip: The clip.

    Raises:
        ConfigError: If the file ends otherwise.
        DataError: If the file cannot be written.
        MissingExtraError: If the extra `plots`, or for `.mp4` the extra `video`, is not installed.

    Example:
        >>> clip = SignClip(key="hello", frames=np.zeros((2, 540), np.float32), fps=25.0, gloss="HELLO")
        >>> write_animation(Path("hello.avi"), clip)
        Traceback (most recent call last):
        jaxmm.errors.ConfigError: hello.avi: cannot be written as .avi; end its name with .gif or .mp4
    """
    kind = _ending(path, ANIMATIONS)
    check_animation(kind)
    if kind == "mp4":
        write_mp4(path, map(np.asarray, sign_pictures(clip)), fps=clip.fps, comment="signing, drawn from landmarks")
        return
    held = gif_bytes(clip)
    try:
        path.write_bytes(held)
    except OSError as error:
        raise _unwritten(path, error) from error


def _ending(path: Path, endings: Sequence[str]) -> str:
    """Returns how a file ends, which must be one of the endings."""
    ending = path.suffix.lower().removeprefix(".")
    if ending not in endings:
        *others, last = (f".{known}" for known in endings)
        raise ConfigError(
            f"{path}: cannot be written as {path.suffix or 'a file without an ending'}; end its name with "
            f"{', '.join(others)} or {last}"
        )
    return ending


def _unwritten(path: Path, error: OSError) -> DataError:
    return DataError(f"{path}: cannot be written ({error.strerror or error}); choose another place")
