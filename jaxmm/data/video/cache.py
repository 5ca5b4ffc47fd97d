"""Features of frames on the disk, found again by what a video holds and by what made them."""

import hashlib
import logging
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
from jaxtyping import Float

from jaxmm.data.cache import cache_dir
from jaxmm.errors import DataError, reason
from jaxmm.files import whole_file

_LOG = logging.getLogger(__name__)
_DIGEST_BYTES = hashlib.sha256().digest_size


def content_digest(path: Path) -> str:
    """Returns the SHA-256 of a file, by which a copy under another name is found too.

    Raises:
        DataError: If the file cannot be read.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "empty.mp4"
        >>> path.touch()
        >>> content_digest(path)[:8]
        'e3b0c442'
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); check the path and its permissions") from error


class FeatureCache:
    """Features of videos' frames, one file a video, which is read as far as it is looked at.

    Every file ends with a digest of what comes before, and appears only when it is whole; one that was damaged since
    is named in a warning and made again. Several processes may use one cache.

    Args:
        extractor: What makes the features, with its weights and how it prepares frames: features of another one are
            others.
        folder: Where to keep them; by default below `$JAXMM_CACHE`.

    Example:
        >>> import tempfile
        >>> cache = FeatureCache("mean colour", folder=Path(tempfile.mkdtemp()))
        >>> cache.features("e3b0c442", lambda: np.zeros((8, 3), np.float32)).shape
        (8, 3)
        >>> cache.features("e3b0c442", lambda: 1 / 0).shape
        (8, 3)
    """

    def __init__(self, extractor: str, *, folder: Path | None = None) -> None:
        name = hashlib.sha256(extractor.encode()).hexdigest()[:24]
        self.folder = (cache_dir() / "features" if folder is None else folder) / name
        self._sound: set[Path] = set()

    def features(
        self, content: str, make: Callable[[], Float[np.ndarray, "frames *shape"]]
    ) -> Float[np.ndarray, "frames *shape"]:
        """Returns the features of a video, memory-mapped and read-only; makes them where they are not there.

        Args:
            content: What tells the video's content from others, such as its `content_digest`, and of a stretch of one
                its times: letters, digits, `-`, `_` and `.`.
            make: Computes them.

        Raises:
            DataError: If `content` is not so written, or what `make` returns is not of floating point.
        """
        if not content.replace("-", "").replace("_", "").replace(".", "").isalnum() or content.startswith("."):
            raise DataError(f"features of {content!r}: name a content by letters, digits, -, _ and . alone")
        path = self.folder / content[:2] / f"{content}.npy"
        if path.exists():
            try:
                return self._open(path)
            except (OSError, ValueError) as error:
                _LOG.warning("%s: damaged (%s); it is made again", path, reason(error))
        features = np.asarray(make())
        if features.dtype.kind != "f" or features.ndim < 2:
            shape = f"{features.dtype} of shape {features.shape}"
            raise DataError(f"features of {content}: {shape}; expected floats (frames, dim)")
        self._write(path, features)
        return self._open(path)

    def _open(self, path: Path) -> Float[np.ndarray, "frames *shape"]:
        """Opens a file; the first time, all of it is read once to find damage.

        Raises:
            OSError: If it cannot be read.
            ValueError: If it is damaged.
        """
        if path not in self._sound:
            _verify(path)
            self._sound.add(path)
        return np.load(path, mmap_mode="r", allow_pickle=False)

    def _write(self, path: Path, features: Float[np.ndarray, "frames *shape"]) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as building, building.open("w+b") as file:
            np.save(file, features, allow_pickle=False)
            file.seek(0)
            digest = hashlib.file_digest(file, "sha256").digest()
            file.seek(0, os.SEEK_END)
            file.write(digest)
        self._sound.discard(path)


def _verify(path: Path) -> None:
    """Raises a ValueError where a file does not end with the digest of what comes before."""
    left = path.stat().st_size - _DIGEST_BYTES
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while left > 0 and (block := file.read(min(left, 2**20))):
            digest.update(block)
            left -= len(block)
        if left or file.read() != digest.digest():
            raise ValueError("it is not what was written")
