"""Commands on data alone: check, synthesize, prepare-sign."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tyro.conf import OmitArgPrefixes, Positional, arg, subcommand

from jaxmm import console
from jaxmm.commands.options import Json, Split
from jaxmm.errors import ConfigError

if TYPE_CHECKING:
    from jaxmm.data.check import Report


@dataclasses.dataclass(frozen=True, kw_only=True)
class CheckData:
    """Read all data of CONFIG, or of a folder, and list what is wrong, file by file; exits with 1 if anything is."""

    target: Annotated[Positional[Path], arg(metavar="CONFIG|FOLDER")]
    root: Annotated[str | None, arg(name="data.root", help="Folder of the data; the config's own by default.")] = None
    metres_per_unit: Annotated[
        float | None, arg(help="Length of one unit of the files of FOLDER; the format's own by default.")
    ] = None
    json: Json = False

    def __call__(self) -> None:
        """Prints counts of recordings, frames, seconds and texts, and every problem."""
        report = self._of_config() if self.target.suffix == ".py" else self._of_folder()
        if self.json:
            console.show(report.values(), title="", as_json=True)
        else:
            console.show_problems(report.problems)
            console.show(report.totals(), title=f"{self.target}", as_json=False)
        if report.problems:
            raise SystemExit(1)

    def _of_config(self) -> "Report":
        from jaxmm.experiment import read_config

        if self.metres_per_unit is not None:
            raise ConfigError("--metres_per_unit goes with a folder; a config states the unit as its data.source")
        data = read_config(self.target).data
        root = data.root if self.root is None else self.root
        return data.check(None if root is None else Path(root))

    def _of_folder(self) -> "Report":
        from jaxmm.data.check import check_source
        from jaxmm.data.files import source_of
        from jaxmm.data.segmentation.check import check_segments
        from jaxmm.data.segmentation.sources import segmentation_source_of
        from jaxmm.data.sign.check import check_signs
        from jaxmm.data.sign.sources import sign_source_of
        from jaxmm.data.video.check import check_videos
        from jaxmm.data.video.sources import action_source_of

        if self.root is not None:
            raise ConfigError(f"{self.target} is no config, so --data.root has no use; name a config or one folder")
        signing, videos = sign_source_of(self.target), segmentation_source_of(self.target)
        actions = action_source_of(self.target)
        if (signing or videos or actions) and self.metres_per_unit is not None:
            raise ConfigError(f"{self.target} holds no positions in a unit of length; leave --metres_per_unit out")
        if signing is not None:
            return check_signs(signing, self.target)
        if videos is not None:
            return check_segments(videos, self.target)
        if actions is not None:
            return check_videos(actions, self.target)
        return check_source(source_of(self.target, metres_per_unit=self.metres_per_unit), self.target)


@dataclasses.dataclass(frozen=True, kw_only=True)
class SynthesizeData:
    """Write synthetic motions of the built-in figure, with captions, as a motion folder."""

    out: Annotated[Path, arg(help="Folder to write.")]
    split: Split = "test"
    takes: Annotated[int, arg(help="Takes of each combination.")] = 1
    seed: Annotated[int, arg(help="Seed of styles and body proportions.")] = 0
    json: Json = False

    def __call__(self) -> None:
        """Writes the folder and prints the number of motions."""
        from jaxmm.data.folder import write_motion_folder
        from jaxmm.data.procedural import motions

        count = write_motion_folder(motions(self.split, seed=self.seed, takes=self.takes), self.out)
        console.show({"motions": count}, title=f"{self.out}", as_json=self.json)


@dataclasses.dataclass(frozen=True, kw_only=True)
class PrepareSign:
    """Write the `.pose` files of a folder as features for training, with their texts and statistics."""

    poses: Annotated[Positional[Path], arg(metavar="POSES", help="Folder of .pose files.")]
    csv: Annotated[Path, arg(help="Table with pose_path, sentence_text and sentence_gloss; signer and split if known.")]
    out: Annotated[Path, arg(help="Folder to write.")]
    fps: Annotated[float, arg(help="Frames per second of what is written.")] = 25.0
    json: Json = False

    def __call__(self) -> None:
        """Writes the folder; prints counts, and in what share of the frames each part was detected."""
        from jaxmm.data.sign.prepare import prepare_signs

        prepared = prepare_signs(self.poses, self.csv, self.out, fps=self.fps)
        console.show(prepared.values(), title=f"{self.out}", as_json=self.json)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Data:
    """Check a data folder, write synthetic data, or prepare recordings of signing."""

    action: OmitArgPrefixes[
        Annotated[CheckData, subcommand("check")]
        | Annotated[SynthesizeData, subcommand("synthesize")]
        | Annotated[PrepareSign, subcommand("prepare-sign")]
    ]

    def __call__(self) -> None:
        """Runs the chosen action."""
        self.action()
