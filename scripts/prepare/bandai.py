"""Makes a captioned motion folder of the Bandai-Namco Research motion data sets 1 and 2.

    python scripts/prepare/bandai.py Bandai-Namco-Research-Motiondataset bandai

They come from the Bandai-Namco-Research-Motiondataset project on GitHub (Kobayashi et al., arXiv:2306.08861), for
non-commercial use; read the LICENSE beside each. FOLDER holds `dataset-<1|2>_<content>_<style>_<number>.bvh` at any
depth; what lies in a `data.zip` must be unpacked. Captions are composed of content and style, which are kept as tags.
Keys such as `d1_kick_normal_001` are those that the config's split goes by.
"""

import dataclasses
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from entry import present, run, show
from rich.progress import track
from tyro.conf import Positional, arg

from jaxmm.data.bvh import read_bvh
from jaxmm.data.folder import write_motion_folder
from jaxmm.data.motion import Motion, rooted_at
from jaxmm.errors import DataError
from jaxmm.files import check_free, files_below

METRES_PER_UNIT = 0.01
ROOT = "Hips"  # below a joint that never moves
NAME = re.compile(r"dataset-([12])_([a-z-]+)_([a-z-]+)_(\d{3})")
CONTENTS = {
    "bow": "bows",
    "bye": "waves goodbye with one hand",
    "byebye": "waves bye-bye",
    "call": "makes a calling gesture",
    "dance-long": "performs a long dance",
    "dance-short": "performs a short dance",
    "dash": "dashes forward",
    "guide": "makes a guiding gesture",
    "kick": "kicks",
    "punch": "punches",
    "raise-up-both-hands": "raises both hands",
    "raise-up-left-hand": "raises the left hand",
    "raise-up-right-hand": "raises the right hand",
    "respond": "makes a responding gesture",
    "run": "runs",
    "slash": "makes a slashing motion",
    "walk": "walks forward",
    "walk-back": "walks backwards",
    "walk-left": "walks sideways to the left",
    "walk-right": "walks sideways to the right",
    "walk-turn-left": "walks and turns left",
    "walk-turn-right": "walks and turns right",
    "wave-both-hands": "waves both hands",
    "wave-left-hand": "waves the left hand",
    "wave-right-hand": "waves the right hand",
}
STYLES = {
    "active": "in an active, energetic way",
    "angry": "angrily",
    "childish": "like a child",
    "chimpira": "like a swaggering street thug",
    "elderly": "like an elderly person",
    "exhausted": "as if exhausted",
    "feminine": "in a feminine way",
    "giant": "like a giant",
    "happy": "happily",
    "masculine": "in a masculine way",
    "masculinity": "in a masculine way",
    "musical": "in a musical, rhythmic way",
    "normal": "in a normal way",
    "not-confident": "without confidence",
    "old": "like an old person",
    "proud": "proudly",
    "sad": "sadly",
    "tired": "tiredly",
    "youthful": "in a youthful way",
}
CONFIG = "configs/dance_text/bandai.py"


def described(path: Path) -> tuple[str, str, dict[str, str]]:
    """Returns the key, the caption and the tags that the name of a file tells."""
    match = NAME.fullmatch(path.stem)
    if match is None or match[2] not in CONTENTS or match[3] not in STYLES:
        raise DataError(
            f"{path}: is not named dataset-<1|2>_<content>_<style>_<number>.bvh with a known content and style; "
            "rename it, leave it out, or describe what is new in CONTENTS or STYLES of this script"
        )
    number, content, style, take = match.groups()
    caption = f"a person {CONTENTS[content]} {STYLES[style]}"
    return f"d{number}_{content}_{style}_{take}", caption, {"dataset": number, "content": content, "style": style}


def read(path: Path) -> Motion:
    """Returns the motion of a file, without the joint that never moves."""
    key, caption, tags = described(path)
    motion = rooted_at(read_bvh(path, metres_per_unit=METRES_PER_UNIT, captions=(caption,), key=key), ROOT)
    return dataclasses.replace(motion, tags=tags)


@dataclasses.dataclass(frozen=True)
class Bandai:
    folder: Annotated[Positional[Path], arg(metavar="FOLDER", help="Folder of the BVH files, at any depth.")]
    out: Annotated[Positional[Path], arg(metavar="OUT", help="Folder to write.")]

    def __call__(self) -> None:
        """Writes the folder, and prints how many recordings there are of each data set."""
        check_free(self.out)
        files = self._files()
        told = [described(path) for path in files]  # names are checked before hours of reading
        shown = track(files, description="reading", disable=not sys.stderr.isatty())
        write_motion_folder(map(read, shown), self.out)
        counts = {f"recordings of data set {number}": _count(told, number) for number in "12"}
        show(
            {**counts, "captions": len({caption for _, caption, _ in told})},
            self.out,
            ("jaxmm", "data", "check", self.out),
            ("jaxmm", "train", CONFIG, "--data.root", self.out, "--workdir", "runs/bandai"),
        )

    def _files(self) -> Sequence[Path]:
        files = sorted(files_below(present(self.folder, "name the folder of the data sets"), ".bvh"))
        if (self.folder / "captions.jsonl").exists() and not files:
            raise DataError(f"{self.folder}: is prepared already; go on with: jaxmm data check {self.folder}")
        if not files:
            packed = next(files_below(self.folder, ".zip"), None)
            remedy = "name the folder of the data sets" if packed is None else f"unpack {packed}"
            raise DataError(f"{self.folder}: holds no .bvh file; {remedy}")
        return files


def _count(told: Sequence[tuple[str, str, dict[str, str]]], number: str) -> int:
    return sum(tags["dataset"] == number for _, _, tags in told)


if __name__ == "__main__":
    run(Bandai, __doc__)
