"""Makes a captioned motion folder of the CMU motion capture database.

    python scripts/prepare/cmu.py all_asfamc/subjects cmu-mocap-index-text.txt cmu
    python scripts/prepare/cmu.py bvh cmu-mocap-index-spreadsheet.csv cmu

The recordings come from mocap.cs.cmu.edu, free for research and commercial use; it asks for the sentence "The data used
in this project was obtained from mocap.cs.cmu.edu. The database was created with funding from NSF EIA-0196217."
FOLDER holds the database's `.amc` files beside their `.asf` skeletons, or the `.bvh` files that B. Hahne made of them
(cgspeed), whose first frame, a pose of rest, is left out. INDEX describes them: the text file that comes with that
conversion, or its spreadsheet saved as CSV, of which the first two columns are read, such as `05_03` and `dance`.
Recordings without a description are left out, and so are those described as Unknown.
"""

import dataclasses
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated

from entry import present, run, show
from rich.progress import track
from tyro.conf import Positional, arg

from jaxmm.data.amc import find_asf, read_amc
from jaxmm.data.bvh import read_bvh
from jaxmm.data.folder import write_motion_folder
from jaxmm.data.lines import read_cells, read_lines
from jaxmm.data.motion import Motion, Skeleton, resample
from jaxmm.errors import DataError
from jaxmm.files import check_free, files_below

FPS = 30.0
INCH = 0.0254
BVH_METRES_PER_UNIT = INCH / 0.45  # the conversion leaves out the skeletons' unit of length
TRIAL = re.compile(r"\d{2,3}_\d{2,3}")
UNDESCRIBED = ("", "unknown")
# Joints whose names tell no side, so that mirroring would not exchange them.
SIDES = {"LFingers": "LeftFingers", "RFingers": "RightFingers", "LThumb": "LeftThumb", "RThumb": "RightThumb"}
CONFIG = "configs/dance_text/cmu.py"


def descriptions(index: Path) -> dict[str, str]:
    """Returns the description of every trial that the index describes."""
    if index.suffix.lower() in (".xls", ".xlsx", ".ods", ".rtf"):
        raise DataError(f"{index}: is no plain text; save it as a CSV file, or name cmu-mocap-index-text.txt")
    rows = _rows(index)
    described: dict[str, str] = {}
    for name, description in rows:
        text = " ".join(description.split())
        if not TRIAL.fullmatch(name) or text.strip("\"'“”").lower() in UNDESCRIBED:
            continue
        if described.setdefault(name, text) != text:
            raise DataError(f"{index}: describes {name} twice, otherwise; keep one line")
    if not described:
        raise DataError(f"{index}: describes no trial; expected lines such as 05_03, a tab or comma, and words")
    return described


def _rows(index: Path) -> Iterator[tuple[str, str]]:
    if index.suffix.lower() == ".csv":
        yield from ((cells[0].strip(), cells[1]) for _, cells in read_cells(index) if len(cells) > 1)
        return
    for line in read_lines(index):
        name, _, description = line.partition("\t")
        yield name.strip(), description


@dataclasses.dataclass(frozen=True)
class Cmu:
    folder: Annotated[Positional[Path], arg(metavar="FOLDER", help="Folder of .amc or .bvh files, at any depth.")]
    index: Annotated[Positional[Path], arg(metavar="INDEX", help="Descriptions, as text or CSV.")]
    out: Annotated[Positional[Path], arg(metavar="OUT", help="Folder to write.")]
    amc_fps: Annotated[float, arg(help="Frame rate of AMC files, which do not state it; a few have 60.")] = 120.0

    def __call__(self) -> None:
        """Writes the folder at 30 frames a second, and prints what was described and found."""
        check_free(self.out)
        described = descriptions(self.index)
        files = self._files()
        known = sorted(files.keys() & described.keys())
        if not known:
            raise DataError(f"{self.index}: describes none of the {len(files)} recordings in {self.folder}")
        shown = track(known, description="reading", disable=not sys.stderr.isatty())
        write_motion_folder((self._read(files[name], described[name]) for name in shown), self.out)
        show(
            {
                "recordings": len(known),
                "captions": len({described[name] for name in known}),
                "subjects": len({name.partition("_")[0] for name in known}),
                "left out, not described": len(files) - len(known),
                "described, not there": len(described) - len(known),
            },
            self.out,
            ("jaxmm", "data", "check", self.out),
            ("jaxmm", "train", CONFIG, "--data.root", self.out, "--workdir", "runs/cmu"),
        )

    def _files(self) -> Mapping[str, Path]:
        """Returns the file of each trial."""
        present(self.folder, "name the folder of the recordings")
        found = {ending: sorted(files_below(self.folder, ending)) for ending in (".amc", ".bvh")}
        kinds = [ending for ending, paths in found.items() if paths]
        if len(kinds) != 1:
            raise DataError(
                f"{self.folder}: holds {' and '.join(kinds) or 'no .amc or .bvh'} files; name one of a kind"
            )
        files: dict[str, Path] = {}
        for path in found[kinds[0]]:
            if files.setdefault(path.stem, path) != path:
                raise DataError(f"{path}: {files[path.stem]} is the same trial; remove one")
        return files

    def _read(self, path: Path, text: str) -> Motion:
        if path.suffix.lower() == ".amc":
            motion = read_amc(path, skeleton=find_asf(path), fps=self.amc_fps, metres_per_unit=INCH, captions=(text,))
        else:
            motion = _sided(read_bvh(path, metres_per_unit=BVH_METRES_PER_UNIT, captions=(text,)))
            motion = dataclasses.replace(motion, positions=motion.positions[1:])
        return dataclasses.replace(
            motion,
            positions=resample(motion.positions, source_fps=motion.fps, target_fps=FPS),
            fps=FPS,
            tags={"subject": path.stem.partition("_")[0]},
        )


def _sided(motion: Motion) -> Motion:
    names = tuple(SIDES.get(name, name) for name in motion.skeleton.joint_names)
    return dataclasses.replace(motion, skeleton=Skeleton(joint_names=names, parents=motion.skeleton.parents))


if __name__ == "__main__":
    run(Cmu, __doc__)
