"""Writes the table of texts that `jaxmm data prepare-sign` reads beside `.pose` files, of PHOENIX14T or How2Sign.

    python scripts/prepare/sign_pose.py phoenix PHOENIX-2014-T/annotations/manual poses phoenix.csv
    python scripts/prepare/sign_pose.py how2sign how2sign/re_aligned poses how2sign.csv

RWTH-PHOENIX-Weather 2014 T (Camgoz et al., CVPR 2018) comes from RWTH Aachen, for non-commercial use. ANNOTATIONS holds
`PHOENIX-2014-T.{train,dev,test}.corpus.csv`, of glosses and German sentences. How2Sign (Duarte et al., CVPR 2021) comes
from how2sign.github.io, for non-commercial use. ANNOTATIONS holds `how2sign_realigned_{train,val,test}.csv`, of English
sentences without glosses.

POSES holds a `.pose` file for each row, at any depth, with the row's name: `scripts/extract_holistic.py` makes them of
videos of one sentence each. PHOENIX14T comes as pictures, of which videos of 25 frames a second must be made first.
Rows without a file are left out, and counted.
"""

import csv
import dataclasses
import io
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Literal

from entry import free, present, run, show
from tyro.conf import Positional, arg

from jaxmm.data.lines import read_lines
from jaxmm.errors import DataError, brief
from jaxmm.files import files_below, write_text

CONFIG = "configs/text2sign/folder.py"
COLUMNS = ("pose_path", "sentence_text", "sentence_gloss", "signer", "split")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Annotations:
    """Where a data set has its texts; a column is "" where it has none."""

    files: Mapping[str, str]
    separator: str
    name: str
    sentence: str
    gloss: str
    signer: str
    signer_in: str
    text: str


DATASETS = {
    "phoenix": Annotations(
        files={
            split: f"PHOENIX-2014-T.{name}.corpus.csv"
            for split, name in (("train", "train"), ("val", "dev"), ("test", "test"))
        },
        separator="|",
        name="name",
        sentence="translation",
        gloss="orth",
        signer="speaker",
        signer_in="(.+)",
        text="gloss",
    ),
    "how2sign": Annotations(
        files={split: f"how2sign_realigned_{split}.csv" for split in ("train", "val", "test")},
        separator="\t",
        name="SENTENCE_NAME",
        sentence="SENTENCE",
        gloss="",
        signer="SENTENCE_NAME",
        signer_in=r"-(\d+)-rgb_front$",
        text="sentence",
    ),
}


def rows_of(path: Path, form: Annotations) -> Iterator[tuple[str, dict[str, str]]]:
    """Yields the name of each row and its texts; cells are never quoted."""
    header, *lines = read_lines(path) or [""]
    names = header.strip().split(form.separator)
    if lacking := {form.name, form.sentence, form.gloss, form.signer} - {*names, ""}:
        raise DataError(f"{path}:1: columns are {brief(names, 160)}, without {min(lacking)}; name another folder")
    for number, line in enumerate(lines, 2):
        if not line.strip():
            continue
        cells = line.split(form.separator)
        if len(cells) != len(names):
            raise DataError(f"{path}:{number}: has {len(cells)} cells under {len(names)} columns; repair the line")
        values = {"": "", **dict(zip(names, map(str.strip, cells), strict=True))}
        signer = re.search(form.signer_in, values[form.signer])
        texts = {"sentence_text": values[form.sentence], "sentence_gloss": values[form.gloss]}
        yield values[form.name], {**texts, "signer": signer[1] if signer else ""}


@dataclasses.dataclass(frozen=True)
class SignPose:
    dataset: Positional[Literal["phoenix", "how2sign"]]
    annotations: Annotated[Positional[Path], arg(metavar="ANNOTATIONS", help="Folder of the tables of texts.")]
    poses: Annotated[Positional[Path], arg(metavar="POSES", help="Folder of the .pose files.")]
    out: Annotated[Positional[Path], arg(metavar="OUT", help="CSV file to write.")]

    def __call__(self) -> None:
        """Writes the table, and prints how many rows of each split have a file."""
        form = DATASETS[self.dataset]
        remedy = "copy it there, or name the folder that holds it"
        tables = {split: present(self.annotations / name, remedy) for split, name in form.files.items()}
        poses = self._poses()
        rows = [(split, *row) for split, path in tables.items() for row in rows_of(path, form)]
        kept = [{"pose_path": poses[name], **texts, "split": split} for split, name, texts in rows if name in poses]
        if not kept:
            missing = f", such as {rows[0][1]}.pose" if rows else ""
            raise DataError(f"{self.poses}: holds no file of the {len(rows)} rows{missing}; extract the poses first")
        table = io.StringIO()
        writer = csv.DictWriter(table, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(kept)
        write_text(free(self.out), table.getvalue())
        counts = Counter(row["split"] for row in kept)
        found = {f"rows, {split}": counts[split] for split in tables}
        signers = len({row["signer"] for row in kept} - {""})
        left = {"left out, no file": len(rows) - len(kept), "files in no row": len(poses) - len(kept)}
        signs, workdir = self.out.with_suffix(""), ("--workdir", f"runs/{self.dataset}")
        show(
            {**found, "signers": signers, **left},
            self.out,
            ("jaxmm", "data", "prepare-sign", self.poses, "--csv", self.out, "--out", signs),
            ("jaxmm", "data", "check", signs),
            ("jaxmm", "train", CONFIG, "--data.root", signs, "--data.text", form.text, *workdir),
        )

    def _poses(self) -> Mapping[str, str]:
        """Returns the path of each recording below the folder, by the name of its file."""
        poses: dict[str, str] = {}
        for path in sorted(files_below(present(self.poses, "name the folder of the .pose files"), ".pose")):
            place = path.relative_to(self.poses).as_posix()
            if poses.setdefault(path.stem, place) != place:
                raise DataError(f"{path}: {poses[path.stem]} has the same name; keep one")
        return poses


if __name__ == "__main__":
    run(SignPose, __doc__)
