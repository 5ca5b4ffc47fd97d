"""Lists the videos of Kinetics, UCF101 or HMDB51 that are there, all classes of them or some.

    python scripts/prepare/videos.py kinetics annotations videos out --classes "air drumming" archery
    python scripts/prepare/videos.py ucf101 ucfTrainTestlist UCF-101 out
    python scripts/prepare/videos.py hmdb51 testTrainMulti_7030_splits hmdb51 out --fold 2

Kinetics' tables (Kay et al., arXiv:1705.06950) are DeepMind's, under CC BY 4.0; its videos are their uploaders', and
are named `<youtube_id>_<start>_<end>` with times of six digits, or `<youtube_id>`. LISTS holds `train.csv`,
`validate.csv` or `val.csv`, and `test.csv`. UCF101 (Soomro et al., arXiv:1212.0402) is the University of Central
Florida's; LISTS holds `classInd.txt`, `trainlist01.txt`, `testlist01.txt`. HMDB51 (Kuehne et al., ICCV 2011) is the
Serre Lab's; LISTS holds `<class>_test_split1.txt` and so on. VIDEOS of the last two has a folder for each class.

OUT gets lists of the form of Kinetics, or `videos.csv`, and a link to VIDEOS. Videos that are missing are counted.
"""

import csv
import dataclasses
import io
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal

from entry import present, run, show, sound
from tyro.conf import Positional, arg

from jaxmm.data.lines import read_lines
from jaxmm.data.video.benchmarks import KineticsTables, Ucf101Lists
from jaxmm.data.video.clip import ActionVideo, VideoFile
from jaxmm.data.video.lists import label_of, path_of
from jaxmm.errors import DataError, brief
from jaxmm.files import check_free, write_text

KINETICS = ("train.csv", "validate.csv", "val.csv", "test.csv")
TABLES = {"train": "train.csv", "val": "validate.csv", "test": "test.csv"}
PARTS = {"0": None, "1": "train", "2": "test"}
HMDB_ENDING = "_test_split{}.txt"


def hmdb51_files(lists: Path, videos: Path, fold: int) -> list[VideoFile]:
    """Returns the videos of a split of HMDB51; those that its lists leave out are in no part."""
    ending, files = HMDB_ENDING.format(fold), list[VideoFile]()
    for path in sorted(lists.glob(f"*{ending}")):
        name = path.name.removesuffix(ending)
        for number, line in enumerate(read_lines(path), 1):
            words = line.split()
            if not words:
                continue
            if len(words) != 2 or words[1] not in PARTS:
                raise DataError(f"{path}:{number}: {brief(line)} is no file and 0, 1 or 2; take the list as it came")
            if part := PARTS[words[1]]:
                key = path_of(f"{path}:{number}", f"{name}/{words[0]}").as_posix()
                files.append(VideoFile(key=key, path=videos / key, label=label_of(name), tags={"split": part}))
    if not files:
        raise DataError(f"{lists}: holds no list such as brush_hair{ending}; name the folder of the lists")
    return files


@dataclasses.dataclass(frozen=True)
class Videos:
    dataset: Positional[Literal["kinetics", "ucf101", "hmdb51"]]
    lists: Annotated[Positional[Path], arg(metavar="LISTS", help="Folder of the lists.")]
    videos: Annotated[Positional[Path], arg(metavar="VIDEOS", help="Folder of the videos.")]
    out: Annotated[Positional[Path], arg(metavar="OUT", help="Folder to write.")]
    classes: Annotated[tuple[str, ...], arg(help="Classes to list; all where none is named.")] = ()
    fold: Annotated[int, arg(help="Number of the lists of UCF101 or HMDB51.")] = 1

    def __call__(self) -> None:
        """Writes the lists, and prints how many videos there are of each split."""
        check_free(self.out)
        present(self.lists, "name the folder of the lists")
        present(self.videos, "name the folder of the videos")
        files = self._chosen(self._files())
        there = [file for file in files if file.path.is_file()]
        if not there:
            raise DataError(
                f"{files[0].path}: no such file, nor one of {len(files) - 1} more; name the folder of videos"
            )
        self.out.mkdir(parents=True, exist_ok=True)
        (self.out / "videos").symlink_to(self.videos.resolve(), target_is_directory=True)
        for name, rows in (_kinetics(there) if self.dataset == "kinetics" else _table(there)).items():
            write_text(self.out / name, _csv(rows))
        splits = Counter(file.tags["split"] for file in there)
        labels = {file.label for file in there}
        found = {f"videos, {split}": splits[split] for split in TABLES if splits[split]}
        missing = {
            "missing": len(files) - len(there),
            "classes without a video": len({f.label for f in files} - labels),
        }
        config = f"configs/clip_har/{'base' if self.dataset == 'kinetics' else 'table'}.py"
        size = ("--task.head.num_classes", len(labels))
        show(
            {"classes": len(labels), **found, **missing},
            self.out,
            ("jaxmm", "data", "check", config, "--data.root", self.out),
            ("jaxmm", "train", config, "--data.root", self.out, *size, "--workdir", f"runs/{self.dataset}"),
        )

    def _files(self) -> Sequence[VideoFile]:
        """Returns all videos that the lists name."""
        root = Path(self.lists)
        if self.dataset == "hmdb51":
            return hmdb51_files(root, self.videos, self.fold)
        if self.dataset == "ucf101":
            source = Ucf101Lists(lists=".", videos=str(self.videos.resolve()), fold=self.fold)
        else:
            present(root / "train.csv", "name the folder of Kinetics' tables")
            tables = tuple(name for name in KINETICS if (root / name).is_file())
            source = KineticsTables(tables=tables, videos=str(self.videos.resolve()))
        listed = source.inventory(root)
        sound(listed.problems)
        return [_file(video) for video in listed.items()]

    def _chosen(self, files: Sequence[VideoFile]) -> Sequence[VideoFile]:
        """Returns the videos of the classes that are named."""
        known = {file.label for file in files}
        wanted = set(map(label_of, self.classes)) or known
        if unknown := sorted(wanted - known):
            raise DataError(f"{self.lists}: has no class {unknown[0]!r}; choose among {brief(sorted(known), 300)}")
        return [file for file in files if file.label in wanted]


def _file(video: ActionVideo) -> VideoFile:
    assert isinstance(video, VideoFile)
    return video


def _table(files: Iterable[VideoFile]) -> Mapping[str, list[dict[str, str]]]:
    """Returns the rows of `videos.csv`."""
    return {"videos.csv": [{"path": file.key, "label": file.label, **file.tags} for file in files]}


def _kinetics(files: Iterable[VideoFile]) -> Mapping[str, list[dict[str, str]]]:
    """Returns the rows of a table for each split."""
    tables: dict[str, list[dict[str, str]]] = {}
    for file in files:
        name, start, end = file.key.rsplit("_", 2)
        row = {"label": file.label, "youtube_id": name, "time_start": start, "time_end": end}
        tables.setdefault(TABLES[file.tags["split"]], []).append({**row, "split": file.tags["split"]})
    return tables


def _csv(rows: Sequence[Mapping[str, str]]) -> str:
    table = io.StringIO()
    columns = dict.fromkeys(name for row in rows for name in row)
    writer = csv.DictWriter(table, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return table.getvalue()


if __name__ == "__main__":
    run(Videos, __doc__)
