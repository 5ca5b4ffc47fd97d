"""Checks the folders of 50 Salads, GTEA, Breakfast or HA-ViD, and names the commands that follow.

    python scripts/prepare/segmentation.py 50salads data/50salads
    python scripts/prepare/segmentation.py havid data/view0_lh_aa

The first three come, as features of 2,048 numbers a frame, with MS-TCN (Abu Farha and Gall, CVPR 2019), whose project
links to the download; 50 Salads is under CC BY-NC-SA 4.0. HA-ViD (Zheng et al., 2023) is given on request by its
project page. FOLDER holds `groundTruth`, `mapping.txt`, `splits` and `features`. The features of all of HA-ViD's views
lie beside its folders: `features` is then made of links to the view's own, which is all that is written. The lists of
all splits are looked at; `jaxmm data check` reads the files.
"""

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from entry import present, run, show, sound
from tyro.conf import Positional, arg

from jaxmm.arrays import read_array
from jaxmm.data.segmentation.folder import split_numbers
from jaxmm.data.segmentation.labels import read_frame_labels
from jaxmm.data.segmentation.sources import FEATURES, LABELS, MAPPING, SegmentationFolder
from jaxmm.errors import DataError


@dataclasses.dataclass(frozen=True, kw_only=True)
class Facts:
    """What the folder of a data set does not say: frames a second, and labels that stand for no action or a mistake."""

    fps: float
    null: Sequence[str]
    wrong: Sequence[str] = ()


DATASETS = {
    "50salads": Facts(fps=30.0, null=("null", "background", "action_start", "action_end")),
    "gtea": Facts(fps=15.0, null=("background",)),
    "breakfast": Facts(fps=15.0, null=("SIL",)),
    "havid": Facts(fps=15.0, null=("null",), wrong=("w",)),
}


@dataclasses.dataclass(frozen=True)
class Segmentation:
    dataset: Positional[Literal["50salads", "gtea", "breakfast", "havid"]]
    folder: Annotated[Positional[Path], arg(metavar="FOLDER", help="The data set, or one view and hand of HA-ViD.")]
    fps: Annotated[float | None, arg(help="Frames a second of the features, where they are not the usual ones.")] = None

    def __call__(self) -> None:
        """Prints how many labels, splits and videos there are."""
        for name in (MAPPING, LABELS, "splits"):
            present(self.folder / name, "name the folder that holds mapping.txt, groundTruth and splits")
        self._link_features()
        numbers = split_numbers(self.folder)
        if not numbers:
            raise DataError(f"{self.folder / 'splits'}: holds no train.split1.bundle or the like; unpack the splits")
        vocabulary = SegmentationFolder().vocabulary(self.folder)
        found: dict[str, Any] = {"labels": vocabulary.num_labels}
        for number in numbers:
            listing = SegmentationFolder(split=number).listing(self.folder)
            sound(listing.problems)
            parts = [video.split for video in listing.videos]
            counts = ", ".join(f"{part} {parts.count(part)}" for part in dict.fromkeys(parts))
            found[f"split {number}"] = f"{counts}, in none {len({Path(name).stem for name in listing.undescribed})}"
        video = SegmentationFolder(split=numbers[0]).listing(self.folder).videos[0]
        num_frames = len(read_frame_labels(video.labels, vocabulary))
        found["features a frame"] = _dim(video.features[0], num_frames)
        show(found, self.folder, *self._steps(found["features a frame"], numbers[0], vocabulary.labels))

    def _link_features(self) -> None:
        """Makes those features of all views that are this one's a part of the folder."""
        own, beside = self.folder / FEATURES, self.folder.resolve().parent / FEATURES
        if self.dataset == "havid" and not own.exists() and beside.is_dir():
            own.mkdir()
            for labels in sorted((self.folder / LABELS).glob("*.txt")):
                (own / f"{labels.stem}.npy").symlink_to(beside / f"{labels.stem}.npy")
        present(own, "unpack the features there")

    def _steps(self, dim: int, split: int, labels: Sequence[str]) -> Iterator[Sequence[object]]:
        facts = DATASETS[self.dataset]
        yield "jaxmm", "data", "check", self.folder
        for system, size in (("segmentation", "--task.head.num_labels"), ("semantic_alignment", "--task.num_labels")):
            yield (
                *("jaxmm", "train", f"configs/{system}/base.py", "--data.root", self.folder),
                *("--data.source.split", split, "--data.source.dim", dim),
                *("--data.source.fps", facts.fps if self.fps is None else self.fps),
                *("--data.null_labels", *(label for label in facts.null if label in labels)),
                *("--data.wrong_labels", *(label for label in facts.wrong if label in labels)),
                *(size, len(labels), "--workdir", f"runs/{self.dataset}_{system}"),
            )


def _dim(path: Path, num_frames: int) -> int:
    """Returns how many features a frame has; the other axis of the array is time."""
    shape = read_array(path).shape
    dims = [size for size in shape if abs(size - num_frames) > 1]
    if len(shape) != 2 or len(dims) != 1:
        raise DataError(f"{path}: has shape {shape}, but {num_frames} frames have labels; unpack the features again")
    return dims[0]


if __name__ == "__main__":
    run(Segmentation, __doc__)
