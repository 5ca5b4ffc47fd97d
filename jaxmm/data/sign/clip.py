"""One recording of signing, with what it says."""

import dataclasses
from collections.abc import Mapping
from typing import Literal, TypeAlias

import numpy as np
from jaxtyping import Float32

from jaxmm.data.motion import FASTEST_FPS, SLOWEST_FPS
from jaxmm.data.sign.layout import HOLISTIC, SignLayout
from jaxmm.errors import DataError, reason

TextKind: TypeAlias = Literal["gloss", "sentence"]
"""Which of a clip's texts: its signs, one word each, or the sentence of spoken language."""


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class SignClip:
    """One recording of signing, with what it says.

    Attributes:
        key: Unique name within its source.
        frames: Numbers as the layout has them; a landmark at zero was not detected.
        fps: Frames per second, 0.1 to 10,000.
        gloss: Its signs, one word each; None where nobody wrote them down (D10).
        sentence: The sentence of spoken language; None where there is none.
        signer: Who signs, or which sign language; empty when unknown.
        tags: Further labels of the source, such as `split`.
        layout: What the numbers mean.

    Raises:
        DataError: If the shape does not fit the layout, a value is not finite or out of range, or no text is given.

    Example:
        >>> clip = SignClip(key="hello", frames=np.zeros((25, 540), np.float32), fps=25.0, gloss="HELLO")
        >>> clip.num_frames, clip.text("gloss"), clip.text("sentence")
        (25, 'HELLO', None)
    """

    key: str
    frames: Float32[np.ndarray, "time dim"]
    fps: float
    gloss: str | None = None
    sentence: str | None = None
    signer: str = ""
    tags: Mapping[str, str] = dataclasses.field(default_factory=dict)
    layout: SignLayout = HOLISTIC

    def __post_init__(self) -> None:
        shape = np.shape(self.frames)
        if len(shape) != 2 or shape[0] == 0 or shape[1] != self.layout.dim:
            raise DataError(f"{self.key}: frames have shape {shape}; expected (time >= 1, {self.layout.dim})")
        if not np.isfinite(self.frames).all():
            frame = int(np.argwhere(~np.isfinite(self.frames))[0][0])
            raise DataError(f"{self.key}: frame {frame} holds a value that is not finite; repair or drop the recording")
        if not SLOWEST_FPS <= self.fps <= FASTEST_FPS:
            raise DataError(f"{self.key}: fps is {self.fps}; give a frame rate from {SLOWEST_FPS} to {FASTEST_FPS}")
        texts = [text for text in (self.gloss, self.sentence) if text is not None]
        if not texts or not all(text.strip() for text in texts):
            raise DataError(f"{self.key}: gloss and sentence are both missing, or one is empty; write what is signed")
        try:
            "".join((self.key, self.signer, *texts)).encode()
        except UnicodeEncodeError as error:
            raise DataError(
                f"{self.key!r}: its key or text is not valid Unicode ({reason(error)}); correct it"
            ) from error

    @property
    def num_frames(self) -> int:
        """Number of frames."""
        return len(self.frames)

    def text(self, kind: TextKind) -> str | None:
        """Returns one of its texts, None where it is missing."""
        return self.gloss if kind == "gloss" else self.sentence
