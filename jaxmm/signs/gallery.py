"""What a text-to-sign run signs, beside recorded signing where there is some, and the page that shows both."""

import dataclasses
import os
from collections.abc import Sequence

import numpy as np

from jaxmm.data.sign.clip import SignClip
from jaxmm.errors import ConfigError
from jaxmm.evaluate.signs import SignDistance
from jaxmm.model import Model
from jaxmm.page.signs import ShownSign, SignEntry, write_signs_page


@dataclasses.dataclass(frozen=True, kw_only=True)
class Signed:
    """A generated clip, and the recorded clip of the same text where there is one.

    Attributes:
        clip: What the model signed.
        recorded: A clip of the data in which its text is signed.
        error: nDTW-MJE of the clip against the recorded one, in shoulder widths.

    Example:
        >>> clip = SignClip(key="hello", frames=np.zeros((2, 540), np.float32), fps=25.0, gloss="HELLO")
        >>> Signed(clip=clip).scores()
        {'hello/frames': 2.0}
    """

    clip: SignClip
    recorded: SignClip | None = None
    error: float | None = None

    def scores(self) -> dict[str, float]:
        """Returns the clip's length and, where there is a recorded clip, its length and the error."""
        scores = {"frames": float(self.clip.num_frames)}
        if self.recorded is not None:
            scores["recorded_frames"] = float(self.recorded.num_frames)
        if self.error is not None:
            scores["ndtw_mje"] = self.error
        return {f"{self.clip.key}/{name}": value for name, value in scores.items()}

    def entry(self) -> SignEntry:
        """Returns what the page shows."""
        scores = {} if self.error is None else {"nDTW-MJE": self.error}
        shown = [ShownSign(label="generated", clip=self.clip, scores=scores)]
        if self.recorded is not None:
            # A synthetic clip says so; to call it recorded would not be true.
            shown.append(ShownSign(label=self.recorded.tags.get("origin", "recorded"), clip=self.recorded))
        return SignEntry(text=str(self.clip.gloss or self.clip.sentence), clips=tuple(shown))


def sign_split(
    model: Model,
    *,
    split: str,
    count: int | None = None,
    root: str | None = None,
    seed: int = 0,
    num_frames: int | None = None,
) -> list[Signed]:
    """Signs the texts of a split of a run's data, each by the signer of its recorded clip.

    Args:
        model: A text-to-sign run.
        split: `train`, `val` or `test`.
        count: How many texts, the first of the split; all by default.
        root: Folder of the data; the run's own by default.
        seed: Seed of the noise, >= 0.
        num_frames: Length of the clips; by default the model chooses.

    Raises:
        ConfigError: If the run is of another system, there is no such split or it has fewer clips, a clip is of a
            signer whom the run does not know, or a number is out of its range.
        DataError: If the data cannot be read.
    """
    maker = model.signer
    recorded = model.open_signing(root=root).clips(split)
    if count is not None and not 1 <= count <= len(recorded):
        raise ConfigError(f"count is {count}; the {split} split has {len(recorded)} clips, ask for 1 to all of them")
    recorded = recorded[:count]
    clips = maker(
        model.params,
        model.collections,
        [str(clip.text(maker.data.text)) for clip in recorded],
        seed=seed,
        num_frames=num_frames,
        signer=maker.signers_of(recorded),
    )
    distance = SignDistance()
    return [
        Signed(clip=clip, recorded=real, error=distance.aligned_error(clip.frames, real.frames))
        for clip, real in zip(clips, recorded, strict=True)
    ]


def write_gallery(path: str | os.PathLike[str], signed: Sequence[Signed], *, model: Model) -> None:
    """Writes a page on which the clips move, each beside the recorded one where there is one.

    Args:
        path: File to write, HTML.
        signed: One or more clips.
        model: The run that signed them.

    Raises:
        DataError: If the page cannot be written.
    """
    facts = {
        "run": f"{model.run.name}, step {model.step}",
        "clips": f"{len(signed)}, {sum(own.clip.num_frames for own in signed)} frames",
    }
    errors = [own.error for own in signed if own.error is not None]
    if errors:
        told = SignDistance().settings()
        facts["mean nDTW-MJE"] = f"{np.mean(errors):.3f} {told['unit']} ({told['parts']})"
    write_signs_page(path, title="Text to signing", entries=[own.entry() for own in signed], facts=facts)
