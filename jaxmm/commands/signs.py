"""Commands that use what a text-to-sign run has learnt: generate."""

import dataclasses
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, UseAppendAction, arg

from jaxmm import console
from jaxmm.commands.options import Checkpoint, Json
from jaxmm.errors import ConfigError


@dataclasses.dataclass(frozen=True, kw_only=True)
class Generate:
    """Sign texts with RUN; writes features (.npy), .pose files and, with --trajectory, a plot."""

    run: Positional[Path]
    out: Annotated[Path, arg(help="Folder to write.")]
    text: Annotated[UseAppendAction[tuple[str, ...]], arg(help="Text to sign; may be repeated.")] = ()
    texts: Annotated[Path | None, arg(help="File of texts to sign, one a line.")] = None
    seed: Annotated[int, arg(help="Seed of the noise.")] = 0
    num_frames: Annotated[int | None, arg(help="Length of the clips; by default the model chooses.")] = None
    signer: Annotated[str | None, arg(help="Who signs, where the run knows several; by default the first.")] = None
    trajectory: Annotated[
        UseAppendAction[tuple[str, ...]],
        arg(help="Landmark to plot over time, such as right_hand/WRIST; may be repeated (needs the extra 'plots')."),
    ] = ()
    checkpoint: Checkpoint = "last"
    json: Json = False

    def __call__(self) -> None:
        """Generates, writes, and prints the lengths."""
        from jaxmm.data.lines import read_lines
        from jaxmm.data.sign.layout import HOLISTIC
        from jaxmm.generate import check_free, write_signs, write_trajectory
        from jaxmm.model import load

        texts = [*self.text, *(line for line in (read_lines(self.texts) if self.texts else []) if line.strip())]
        if not texts:
            raise ConfigError("nothing to sign; give --text TEXT, or --texts FILE with one a line")
        for landmark in self.trajectory:
            HOLISTIC.landmark(landmark)  # a slip is told before anything is generated
        check_free(self.out)
        model = load(self.run, checkpoint=self.checkpoint)
        clips = model.generate(texts, seed=self.seed, num_frames=self.num_frames, signer=self.signer)
        write_signs(self.out, clips)
        for clip in clips if self.trajectory else ():
            write_trajectory(self.out / f"{clip.key}.png", clip, self.trajectory)
        lengths = {f"{clip.key}/frames": float(clip.num_frames) for clip in clips}
        console.show(lengths, title=f"{self.out}", as_json=self.json)
