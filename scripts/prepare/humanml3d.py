"""Checks HumanML3D or KIT-ML, which are read as they are, and names the commands that follow; writes nothing.

    python scripts/prepare/humanml3d.py HumanML3D
    python scripts/prepare/humanml3d.py KIT-ML

Both come from the HumanML3D project on GitHub (Guo et al., CVPR 2022). HumanML3D's texts and lists are in the
repository; its motions are those of AMASS and HumanAct12, under their own licences, and the project's notebooks make
`new_joints` of them. KIT-ML (Plappert et al., 2016) is a folder to download. FOLDER holds `new_joints`, `texts` and
`train.txt`, `val.txt`, `test.txt`. The features of 263 or 251 numbers in `new_joint_vecs` are not used.
"""

import dataclasses
from collections import Counter
from pathlib import Path
from typing import Annotated

from entry import present, run, show, sound
from tyro.conf import Positional, arg

from jaxmm.arrays import read_array
from jaxmm.data.humanml3d import read_texts
from jaxmm.data.lines import read_lines
from jaxmm.data.sources import HumanMl3dFolder
from jaxmm.errors import DataError

CONFIGS = {22: "humanml3d", 21: "kit"}  # by the number of joints
SPLITS = ("train", "val", "test")


@dataclasses.dataclass(frozen=True)
class HumanMl3d:
    folder: Annotated[Positional[Path], arg(metavar="FOLDER", help="The data set.")]

    def __call__(self) -> None:
        """Prints how many motions and captions there are."""
        present(self.folder, "name the folder of the data set")
        present(self.folder / "texts", "unpack texts.zip there")
        present(self.folder / "new_joints", "run the project's notebooks, which make it of AMASS, or copy it there")
        for split in SPLITS:
            present(self.folder / f"{split}.txt", "copy it from the project's repository")
        listed = HumanMl3dFolder().inventory(self.folder)
        sound(listed.problems)
        name = CONFIGS[self._num_joints(listed.recordings[0].key)]
        config = f"configs/dance_text/{name}.py"
        counts = {f"motions, {split}": self._num_names(split) for split in SPLITS}
        parts = Counter(
            "of the whole" if part == (0, 0) else "of a part"
            for recording in listed.recordings
            for part, captions in read_texts(self.folder / "texts" / f"{recording.key}.txt").items()
            for _ in captions
        )
        captions = {f"captions {of}": count for of, count in parts.items()}
        show(
            {**counts, **captions, "motions in no list": len(listed.undescribed)},
            self.folder,
            ("jaxmm", "data", "check", config, "--data.root", self.folder),
            ("jaxmm", "train", config, "--data.root", self.folder, "--workdir", f"runs/{name}"),
        )

    def _num_names(self, split: str) -> int:
        return sum(bool(line.strip()) for line in read_lines(self.folder / f"{split}.txt"))

    def _num_joints(self, key: str) -> int:
        path = self.folder / "new_joints" / f"{key}.npy"
        shape = read_array(path).shape
        if len(shape) != 3 or shape[1] not in CONFIGS or shape[2] != 3:
            raise DataError(
                f"{path}: has shape {shape}; expected (time, 22, 3) of HumanML3D or (time, 21, 3) of KIT-ML"
            )
        return shape[1]


if __name__ == "__main__":
    run(HumanMl3d, __doc__)
