"""Where motions come from: the built-in procedural figure, and folders of each format."""

import dataclasses
import logging
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import TypeAlias

from jaxmm.data.amc import list_amc_folder
from jaxmm.data.bvh import list_bvh_folder
from jaxmm.data.c3d import Missing, UpAxis, list_c3d_folder
from jaxmm.data.cache import packed_folder
from jaxmm.data.captions import CAPTIONS
from jaxmm.data.folder import list_motion_folder
from jaxmm.data.humanml3d import Figure, list_humanml3d_folder
from jaxmm.data.inventory import Inventory, Recording, existing_folder, list_synthetic
from jaxmm.data.motion import Motion, rooted_at
from jaxmm.data.packed import PackedMotions, open_packed, pack
from jaxmm.data.sign.clip import SignClip, TextKind
from jaxmm.data.sign.motions import as_motion
from jaxmm.data.sign.sources import ProceduralSigns, SignSource

_LOG = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, kw_only=True)
class ProceduralMotions:
    """Synthetic motions of the built-in figure; every motion carries the tag `split`.

    Attributes:
        seed: Seed of the styles and body proportions.
        takes: Takes of each training combination, >= 1.
        held_out_takes: Takes of each validation and test combination, >= 1.

    Example:
        >>> next(ProceduralMotions(takes=1).inventory(None).items()).tags["origin"]
        'synthetic'
    """

    seed: int = 0
    takes: int = 6
    held_out_takes: int = 2

    def inventory(self, root: Path | None) -> Inventory:
        """Lists the splits, each as one recording.

        Raises:
            DataError: If a root is given: this source reads no files.
        """
        from jaxmm.data.procedural import motions

        takes = {"train": self.takes, "val": self.held_out_takes, "test": self.held_out_takes}
        made = {split: partial(motions, split, seed=self.seed, takes=count) for split, count in takes.items()}
        return list_synthetic(root, made, instead="MotionFolder or another folder")


@dataclasses.dataclass(frozen=True, kw_only=True)
class MotionFolder:
    """A folder of `.npy`/`.npz` motions with `captions.jsonl`; see `read_motion_folder`.

    Example:
        >>> MotionFolder().inventory(Path("no/such/folder"))
        Traceback (most recent call last):
        jaxmm.errors.DataError: data.root: no/such/folder is not a folder; give the folder that holds captions.jsonl
    """

    def inventory(self, root: Path | None) -> Inventory:
        """Lists the motions below `root` without reading them.

        Raises:
            DataError: If `root` is missing or not a folder.
        """
        return list_motion_folder(existing_folder(root, CAPTIONS))


@dataclasses.dataclass(frozen=True, kw_only=True)
class BvhFolder:
    """A folder of `.bvh` files with `captions.jsonl`; see `read_bvh_folder`.

    Attributes:
        metres_per_unit: Length of one unit of the files, in metres; 0.01 for centimetres.
        root_joint: Joint that becomes the root, where files put a static one above the hips; None keeps the files' own.

    Example:
        >>> BvhFolder(metres_per_unit=0.0254).metres_per_unit
        0.0254
    """

    metres_per_unit: float = 0.01
    root_joint: str | None = None

    def inventory(self, root: Path | None) -> Inventory:
        """Lists the motions below `root` without reading them.

        Raises:
            DataError: If `root` is missing or not a folder.
        """
        listed = list_bvh_folder(existing_folder(root, CAPTIONS), metres_per_unit=self.metres_per_unit)
        return listed if self.root_joint is None else listed.map(partial(rooted_at, joint=self.root_joint))


@dataclasses.dataclass(frozen=True, kw_only=True)
class AmcFolder:
    """A folder of `.amc` files, their `.asf` skeletons and `captions.jsonl`; see `read_amc_folder`.

    Attributes:
        fps: Frame rate of the files, which do not state it; CMU's have 120, a few 60.
        metres_per_unit: Metres of one unit of length; 0.0254 where they are inches, as CMU's are.

    Example:
        >>> AmcFolder(fps=60.0).metres_per_unit
        0.0254
    """

    fps: float = 120.0
    metres_per_unit: float = 0.0254

    def inventory(self, root: Path | None) -> Inventory:
        """Lists the motions below `root` without reading them.

        Raises:
            DataError: If `root` is missing or not a folder.
        """
        return list_amc_folder(existing_folder(root, CAPTIONS), fps=self.fps, metres_per_unit=self.metres_per_unit)


@dataclasses.dataclass(frozen=True, kw_only=True)
class C3dFolder:
    """A folder of `.c3d` files with `captions.jsonl`; see `read_c3d_folder`. It needs the extra `c3d`.

    Attributes:
        labels: Points to read, the first as the root; all of a file by default, which must then agree.
        missing: What to do where a point was not seen.
        up: Axis of the files that points up.
        metres_per_unit: Length of one unit of the files, in metres; what each file states by default.

    Example:
        >>> C3dFolder(missing="interpolate").up
        'z'
    """

    labels: tuple[str, ...] = ()
    missing: Missing = "error"
    up: UpAxis = "z"
    metres_per_unit: float | None = None

    def inventory(self, root: Path | None) -> Inventory:
        """Lists the motions below `root` without reading them.

        Raises:
            DataError: If `root` is missing or not a folder.
        """
        return list_c3d_folder(
            existing_folder(root, CAPTIONS),
            labels=self.labels,
            missing=self.missing,
            up=self.up,
            metres_per_unit=self.metres_per_unit,
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class HumanMl3dFolder:
    """A folder as HumanML3D has it: `new_joints`, `texts` and split files; see `read_humanml3d_folder`.

    Use it with `TagSplit()`, which takes the split files' word.

    Attributes:
        min_frames: Shortest motion or part of one; shorter ones are left out.
        max_frames: Longest motion or part of one; longer ones are left out.
        figure: Whose joints they are; "kit" for KIT-ML, which has the same files.

    Example:
        >>> HumanMl3dFolder().min_frames
        40
    """

    min_frames: int = 40
    max_frames: int = 199
    figure: Figure = "humanml3d"

    def inventory(self, root: Path | None) -> Inventory:
        """Lists the motions below `root` without reading them.

        Raises:
            DataError: If `root` is missing or not a folder.
        """
        return list_humanml3d_folder(
            existing_folder(root, "new_joints and texts"),
            min_frames=self.min_frames,
            max_frames=self.max_frames,
            figure=self.figure,
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class SignMotions:
    """Signing as motions of arms and hands, each captioned by what is signed; see `as_motion`.

    Clips without the text are left out. Use it with `TagSplit()` where the signing has its own splits.

    Attributes:
        signs: Where the signing comes from.
        text: Which text of a clip is its caption.

    Example:
        >>> next(SignMotions(signs=ProceduralSigns(takes=1)).inventory(None).items()).skeleton.joint_names[0]
        'body/NOSE'
    """

    signs: SignSource = dataclasses.field(default_factory=ProceduralSigns)
    text: TextKind = "gloss"

    def inventory(self, root: Path | None) -> Inventory[Motion]:
        """Lists the clips without reading them.

        Raises:
            DataError: If the signing cannot be listed.
        """
        listed = self.signs.inventory(root)

        def motions(recording: Recording[SignClip]) -> Recording[Motion]:
            return Recording(key=recording.key, read=lambda: self._told(recording.read()))

        return Inventory(recordings=tuple(map(motions, listed.recordings)), problems=listed.problems)

    def _told(self, clips: Iterable[SignClip]) -> Iterator[Motion]:
        return (as_motion(clip, text=self.text) for clip in clips if clip.text(self.text) is not None)


MotionSource: TypeAlias = (
    ProceduralMotions | MotionFolder | BvhFolder | AmcFolder | C3dFolder | HumanMl3dFolder | SignMotions
)
"""Any of the sources."""


def packed_source(source: MotionSource, root: Path | None, *, fps: float) -> PackedMotions:
    """Opens the packed form of a source, packing it first when its files or settings are new.

    Args:
        source: The source.
        root: Folder of the source's files; None for the procedural source.
        fps: Frame rate to pack at, > 0.

    Raises:
        DataError: If the source cannot be read.
    """
    folder = packed_folder("motions", source, root, fps=fps)
    if folder.is_dir():
        return open_packed(folder)
    _LOG.info("packing %s at %g frames a second, once, into %s", type(source).__name__, fps, folder)
    return pack(source.inventory(root).items(), folder, fps=fps)
