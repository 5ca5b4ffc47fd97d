"""Commands that use what a text-to-sign run has learnt: generate."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from tyro.conf import Positional, UseAppendAction, arg

from jaxmm import console
from jaxmm.commands.options import Checkpoint, Json, Root, Split
from jaxmm.errors import ConfigError

if TYPE_CHECKING:
    from jaxmm.model import Model
    from jaxmm.signs.gallery import Signed


@dataclasses.dataclass(frozen=True, kw_only=True)
class Generate:
    """Sign texts, or those of a split, with RUN; writes features (.npy), .pose files and a page to look at."""

    run: Positional[Path]
    out: Annotated[Path, arg(help="Folder to write.")]
    text: Annotated[UseAppendAction[tuple[str, ...]], arg(help="Text to sign; may be repeated.")] = ()
    texts: Annotated[Path | None, arg(help="File of texts to sign, one a line.")] = None
    split: Annotated[
        Split | None, arg(help="Sign the texts of a split of the data instead; the page shows its clips beside them.")
    ] = None
    count: Annotated[int | None, arg(help="How many texts of the split; all by default.")] = None
    root: Root = None
    seed: Annotated[int, arg(help="Seed of the noise.")] = 0
    num_frames: Annotated[int | None, arg(help="Length of the clips; by default the model chooses.")] = None
    signer: Annotated[str | None, arg(help="Who signs, where the run knows several; by default the first.")] = None
    trajectory: Annotated[
        UseAppendAction[tuple[str, ...]],
        arg(help="Landmark to plot over time, such as right_hand/WRIST; may be repeated (needs the extra 'plots')."),
    ] = ()
    animation: Annotated[
        Literal["gif", "mp4"] | None,
        arg(help="Also write a moving picture of each clip (needs the extra 'plots', for mp4 'video')."),
    ] = None
    checkpoint: Checkpoint = "last"
    json: Json = False

    def __call__(self) -> None:
        """Generates, writes, and prints the lengths and, of a split, the errors."""
        from jaxmm.data.lines import read_lines
        from jaxmm.data.sign.layout import HOLISTIC
        from jaxmm.evaluate.figures import check_figures
        from jaxmm.files import check_free
        from jaxmm.model import load
        from jaxmm.page.animation import check_animation
        from jaxmm.signs.files import write_animation, write_signs, write_trajectory
        from jaxmm.signs.gallery import write_gallery

        # Slips are told before anything is generated.
        texts = [*self.text, *(line for line in (read_lines(self.texts) if self.texts else []) if line.strip())]
        self._check_source(texts)
        for landmark in self.trajectory:
            HOLISTIC.landmark(landmark)
        if self.trajectory:
            check_figures()
        if self.animation is not None:
            check_animation(self.animation)
        check_free(self.out)
        model = load(self.run, checkpoint=self.checkpoint)
        signed = self._sign(model, texts)
        clips = [own.clip for own in signed]
        write_signs(self.out, clips)
        write_gallery(self.out / "index.html", signed, model=model)
        for clip in clips if self.animation else ():
            write_animation(self.out / f"{clip.key}.{self.animation}", clip)
        for clip in clips if self.trajectory else ():
            write_trajectory(self.out / f"{clip.key}.png", clip, self.trajectory)
        scores = {name: value for own in signed for name, value in own.scores().items()}
        console.show(scores, title=f"{self.out / 'index.html'}", as_json=self.json)

    def _check_source(self, texts: Sequence[str]) -> None:
        """Refuses flags of which one leaves the other without use."""
        if self.split is None:
            if self.count is not None or self.root is not None:
                raise ConfigError("--count and --data.root are of a split; add --split, or leave them out")
            if not texts:
                raise ConfigError("nothing to sign; give --text TEXT, --texts FILE with one a line, or --split SPLIT")
        elif self.text or self.texts:
            raise ConfigError("--split has texts of its own; leave --text and --texts out")
        elif self.signer is not None:
            raise ConfigError("the texts of a split are signed by the signers of its clips; leave --signer out")

    def _sign(self, model: "Model", texts: Sequence[str]) -> "list[Signed]":
        from jaxmm.signs.gallery import Signed, sign_split

        if self.split is not None:
            return sign_split(
                model, split=self.split, count=self.count, root=self.root, seed=self.seed, num_frames=self.num_frames
            )
        clips = model.generate(texts, seed=self.seed, num_frames=self.num_frames, signer=self.signer)
        return [Signed(clip=clip) for clip in clips]
