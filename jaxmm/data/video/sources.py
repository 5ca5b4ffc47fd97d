"""Where labelled videos come from: made by rules, folders, tables, the lists of known collections, copies of others."""

import dataclasses
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TypeAlias

from jaxmm.data.inventory import Inventory, list_synthetic
from jaxmm.data.segmentation.vocabulary import Vocabulary
from jaxmm.data.splits import Split
from jaxmm.data.video.benchmarks import KineticsTables, Ucf101Lists
from jaxmm.data.video.clip import ActionVideo
from jaxmm.data.video.copies import CopiedVideos
from jaxmm.data.video.folders import ClassFolders, VideoTable
from jaxmm.data.video.info import VIDEO_ENDINGS
from jaxmm.data.video.procedural import LOOKS, MOVES, shapes_vocabulary, videos
from jaxmm.errors import ConfigError


@dataclasses.dataclass(frozen=True, kw_only=True)
class ProceduralVideos:
    """Synthetic videos of shapes that move, made without files; see `jaxmm.data.video.procedural`.

    Every video carries the tag `split`.

    Attributes:
        seed: Seed of the videos, >= 0.
        looks: How shapes look; each is told by any one frame.
        moves: How they move; each is told by the order of frames alone.
        num_train: Training videos of each look and move, >= 0.
        num_val: Validation videos of each, >= 0.
        num_test: Test videos of each, >= 0.

    Raises:
        ConfigError: If a number is out of its range, or there is no such look or move.

    Example:
        >>> source = ProceduralVideos(looks=("red_bar",), moves=("right", "left"))
        >>> source.vocabulary(None).descriptions
        ('a red bar moves right', 'a red bar moves left')
        >>> next(source.inventory(None).items()).tags["origin"]
        'synthetic'
    """

    seed: int = 0
    looks: tuple[str, ...] = ("red_bar", "green_square", "blue_triangle")
    moves: tuple[str, ...] = ("left", "right", "grow", "shrink", "turn_left", "turn_right")
    num_train: int = 8
    num_val: int = 2
    num_test: int = 2

    def __post_init__(self) -> None:
        for name, known in (("looks", LOOKS), ("moves", MOVES)):
            given = getattr(self, name)
            if not given or len(set(given)) < len(given) or not set(given) <= set(known):
                raise ConfigError(
                    f"data.source.{name} is {given}; choose one or more, each once, of {', '.join(known)}"
                )
        for name in ("seed", "num_train", "num_val", "num_test"):
            if getattr(self, name) < 0:
                raise ConfigError(f"data.source.{name} is {getattr(self, name)}; give a number from 0 on")

    def inventory(self, root: Path | None) -> Inventory[ActionVideo]:
        """Lists the splits, each as one recording.

        Raises:
            DataError: If a root is given: this source reads no files.
        """
        counts: dict[Split, int] = {"train": self.num_train, "val": self.num_val, "test": self.num_test}
        made = {
            split: partial(videos, split, seed=self.seed, looks=self.looks, moves=self.moves, num_each=count)
            for split, count in counts.items()
        }
        return list_synthetic(root, made, instead="ClassFolders or another with files")

    def vocabulary(self, root: Path | None) -> Vocabulary:
        """Returns the labels: every look with every move."""
        del root
        return shapes_vocabulary(self.looks, self.moves)

    def outside(self, root: Path | None) -> tuple[Path, ...]:
        """Returns nothing: it reads no files."""
        del root
        return ()


ActionSource: TypeAlias = ProceduralVideos | ClassFolders | VideoTable | KineticsTables | Ucf101Lists | CopiedVideos
"""Any of the sources."""


def action_source_of(root: Path) -> ActionSource | None:
    """Returns the source that reads a folder of labelled videos, by the files it holds; None for one of something else.

    Example:
        >>> import tempfile
        >>> root = Path(tempfile.mkdtemp())
        >>> action_source_of(root)
        >>> (root / "jump").mkdir()
        >>> (root / "jump" / "a.mp4").touch()
        >>> action_source_of(root)
        ClassFolders(split_folders=False)
    """
    if (root / Ucf101Lists().lists / "classInd.txt").is_file():
        return Ucf101Lists()
    if (root / VideoTable().table).is_file():
        return VideoTable()
    if any((root / table).is_file() for table in KineticsTables().tables) and (root / KineticsTables().videos).is_dir():
        return KineticsTables()
    held = (path for path in root.glob("*/**/*") if path.suffix.lower() in VIDEO_ENDINGS)
    if not any(islice(held, 1)):
        return None
    # A folder `train` that holds videos itself is the class of railway trains.
    return ClassFolders(split_folders=any(path.is_dir() for path in root.glob("train/*")))
