"""Frames as an image encoder reads them: resized, cropped, rescaled and normalised."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
from jaxtyping import Float32, UInt8

from jaxmm.errors import ConfigError, DataError, MissingExtraError, brief, reason
from jaxmm.files import read_json

Resample: TypeAlias = Literal["nearest", "lanczos", "bilinear", "bicubic", "box", "hamming"]
"""Filters of pillow, in the order of their numbers."""

LARGEST_EDGE = 4096
"""Pixels of the longest edge that images are resized or cropped to."""

_FILE, _NEW_FILE = "preprocessor_config.json", "processor_config.json"
_LARGEST = 1e6  # of a factor, mean or deviation
_ENDINGS = ("ImageProcessor", "ImageProcessorFast", "ImageProcessorPil", "FeatureExtractor")
_CLIP_SETTINGS: Mapping[str, Any] = {
    "do_resize": True,
    "size": {"shortest_edge": 224},
    "resample": 3,
    "do_center_crop": True,
    "crop_size": {"height": 224, "width": 224},
    "do_rescale": True,
    "rescale_factor": 1 / 255,
    "do_normalize": True,
    "image_mean": [0.48145466, 0.4578275, 0.40821073],
    "image_std": [0.26862954, 0.26130258, 0.27577711],
}
_CONVNEXT_SETTINGS: Mapping[str, Any] = {
    **{name: value for name, value in _CLIP_SETTINGS.items() if name not in ("do_center_crop", "crop_size")},
    "size": {"shortest_edge": 384},
    "crop_pct": 224 / 256,
    "image_mean": [0.485, 0.456, 0.406],
    "image_std": [0.229, 0.224, 0.225],
}
_KINDS: Mapping[str, Mapping[str, Any]] = {"CLIP": _CLIP_SETTINGS, "ConvNext": _CONVNEXT_SETTINGS}
"""The settings that are honoured of each kind of checkpoint, and what an absent one means.

Those of ResNet have the kind ConvNext.
"""

_CONVNEXT_WHOLE = 384  # pixels from which on nothing is cut off

# Who wrote the file, and how arrays are passed on; frames are RGB here, and are not padded.
_WITHOUT_EFFECT = (
    *("image_processor_type", "feature_extractor_type", "processor_class", "do_convert_rgb", "_valid_processor_keys"),
    *("data_format", "input_data_format", "return_tensors", "device", "disable_grouping"),
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class ImagePreparation:
    """What is done to a frame, in the order of the fields; the defaults are those of CLIP.

    Attributes:
        resize: The shorter edge after resizing, in pixels, or both as (height, width); None keeps the frame's size.
        resample: Filter of resizing.
        crop: (height, width) of the middle that is cut out, in pixels, with black around a frame that is smaller; None
            keeps all.
        scale: Multiplies the values, which are from 0 to 255.
        mean: Is subtracted from the scaled red, green and blue.
        std: Divides what is left of each, above zero.

    Raises:
        ConfigError: If a number is out of its range.

    Example:
        >>> preparation = ImagePreparation(resize=4, crop=(4, 4))
        >>> preparation(np.zeros((6, 9, 3), np.uint8)).shape
        (4, 4, 3)

    Reference: transformers' `CLIPImageProcessor`, with pillow.
    """

    resize: int | tuple[int, int] | None = 224
    resample: Resample = "bicubic"
    crop: tuple[int, int] | None = (224, 224)
    scale: float = 1 / 255
    mean: tuple[float, float, float] = (0.48145466, 0.4578275, 0.40821073)
    std: tuple[float, float, float] = (0.26862954, 0.26130258, 0.27577711)

    def __post_init__(self) -> None:
        for name in ("resize", "crop"):
            edges = getattr(self, name)
            ends = () if edges is None else edges if isinstance(edges, tuple) else (edges,)
            if not all(1 <= edge <= LARGEST_EDGE for edge in ends):
                raise ConfigError(f"preparation.{name} is {edges}; give edges of 1 to {LARGEST_EDGE} pixels, or None")
        if not min(self.std) > 0:
            raise ConfigError(f"preparation.std is {self.std}; give values above zero")

    @classmethod
    def read(cls, folder: Path) -> "ImagePreparation":
        """Reads the settings that a checkpoint of CLIP or ResNet was trained with.

        They stand in `preprocessor_config.json`, or as recent versions of transformers write them, below
        `image_processor` in `processor_config.json`, which wins.

        Raises:
            DataError: If there are none, or they hold one that is not known.

        Example:
            >>> import tempfile
            >>> folder = Path(tempfile.mkdtemp())
            >>> _ = (folder / "preprocessor_config.json").write_text('{"size": 336, "crop_size": 336}')
            >>> ImagePreparation.read(folder).crop
            (336, 336)
        """
        found = cls.stated(folder)
        if found is None:
            raise DataError(f"{folder / _FILE}: no such file; give the folder of a checkpoint that prepares images")
        return found

    @classmethod
    def stated(cls, folder: Path) -> "ImagePreparation | None":
        """Returns what `read` does, or None where a checkpoint states nothing.

        Raises:
            DataError: If there is a setting that is not known.

        Example:
            >>> import tempfile
            >>> print(ImagePreparation.stated(Path(tempfile.mkdtemp())))
            None
        """
        if (found := _find_settings(folder)) is None:
            return None
        settings, where = found
        known = _known_settings(settings, where)
        given = {**known, **{name: value for name, value in settings.items() if value is not None}}
        for name in (name for name in given if name.startswith("do_")):
            if not isinstance(given[name], bool):
                raise DataError(f"{where}: '{name}' is {brief(given[name])}; it must be true or false")
        normalizes = given["do_normalize"]
        resize, crop = (_convnext_edges if known is _CONVNEXT_SETTINGS else _clip_edges)(given, where)
        try:
            return cls(
                resize=resize,
                resample=_resample(given, where),
                crop=crop,
                scale=_number(given["rescale_factor"], "rescale_factor", where) if given["do_rescale"] else 1.0,
                mean=_three(given, "image_mean", where) if normalizes else (0.0, 0.0, 0.0),
                std=_three(given, "image_std", where) if normalizes else (1.0, 1.0, 1.0),
            )
        except ConfigError as error:
            raise DataError(f"{where}: {error}") from error

    def __call__(self, frame: UInt8[np.ndarray, "height width 3"]) -> Float32[np.ndarray, "new_height new_width 3"]:
        """Prepares one frame of red, green and blue.

        Raises:
            MissingExtraError: If pillow is needed and not installed.
        """
        if self.resize is not None:
            frame = _resized(frame, self._new_size(frame.shape[0], frame.shape[1]), self.resample)
        if self.crop is not None:
            frame = _middle(frame, self.crop)
        # Multiplied in double precision and the rest in single, as transformers does.
        scaled = (frame.astype(np.float64) * self.scale).astype(np.float32)
        return (scaled - np.array(self.mean, np.float32)) / np.array(self.std, np.float32)

    def _new_size(self, height: int, width: int) -> tuple[int, int]:
        if not isinstance(self.resize, int):
            return self.resize or (height, width)
        shorter, longer = sorted((height, width))
        long_edge = int(self.resize * longer / shorter)
        return (long_edge, self.resize) if width <= height else (self.resize, long_edge)


def _resized(
    frame: UInt8[np.ndarray, "height width 3"], size: tuple[int, int], resample: Resample
) -> UInt8[np.ndarray, "new_height new_width 3"]:
    try:
        from PIL import Image
    except ImportError as error:
        raise MissingExtraError.of("pillow", extra="video") from error
    height, width = size
    return np.asarray(Image.fromarray(frame).resize((width, height), Image.Resampling[resample.upper()]))


def _middle(
    frame: UInt8[np.ndarray, "height width 3"], size: tuple[int, int]
) -> UInt8[np.ndarray, "new_height new_width 3"]:
    """Cuts out the middle; where the frame is smaller, zeros are put around it, the odd one before it."""
    for axis, wanted in enumerate(size):
        first = (frame.shape[axis] - wanted) // 2
        if first < 0:
            margins = [(0, 0)] * 3
            margins[axis] = (-first, wanted - frame.shape[axis] + first)
            frame, first = np.pad(frame, margins), 0
        frame = frame[first : first + wanted] if axis == 0 else frame[:, first : first + wanted]
    return frame


def _find_settings(folder: Path) -> tuple[Mapping[str, Any], str] | None:
    newer, older = folder / _NEW_FILE, folder / _FILE
    if newer.is_file() and "image_processor" in (document := _read_object(newer)):
        if not isinstance(document["image_processor"], dict):
            raise DataError(f"{newer}: 'image_processor' is not an object; fetch the checkpoint again")
        return document["image_processor"], f"{newer}, image_processor"
    return (_read_object(older), str(older)) if older.is_file() else None


def _read_object(path: Path) -> dict[str, Any]:
    try:
        document = read_json(path)
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: not readable as JSON ({reason(error)}); fetch the checkpoint again") from error
    if not isinstance(document, dict):
        raise DataError(f"{path}: holds a {type(document).__name__}, not an object; fetch the checkpoint again")
    return document


def _known_settings(settings: Mapping[str, Any], where: str) -> Mapping[str, Any]:
    """Returns the settings of the kind that is named, with their defaults; others are refused."""
    kinds = {f"{kind}{ending}": own for kind, own in _KINDS.items() for ending in _ENDINGS}
    known = _CLIP_SETTINGS
    for name in ("image_processor_type", "feature_extractor_type"):
        if (kind := settings.get(name)) is not None:
            if not isinstance(kind, str) or kind not in kinds:
                raise DataError(
                    f"{where}: {name} {brief(kind)} is not supported; supported are "
                    f"{' and '.join(f'{own}{_ENDINGS[0]}' for own in _KINDS)}"
                )
            known = kinds[kind]
    for name, value in settings.items():
        # False switches off, and null means no more than an absent setting.
        if name not in known and name not in _WITHOUT_EFFECT and value is not None and value is not False:
            raise DataError(
                f"{where}: the setting '{name}' is not known; known are {', '.join(known)}. "
                "Remove it if it does not matter, or make an ImagePreparation yourself"
            )
    return known


def _clip_edges(given: Mapping[str, Any], where: str) -> tuple[int | tuple[int, int] | None, tuple[int, int] | None]:
    """Returns what is resized to, and what is cut out then."""
    resize = _edges(given, "size", where) if given["do_resize"] else None
    return resize, _both(_edges(given, "crop_size", where)) if given["do_center_crop"] else None


def _convnext_edges(
    given: Mapping[str, Any], where: str
) -> tuple[int | tuple[int, int] | None, tuple[int, int] | None]:
    """Returns the same: a share of small images is cut out, and large ones are squeezed."""
    if not given["do_resize"]:
        return None, None
    edge, share = _edges(given, "size", where), _number(given["crop_pct"], "crop_pct", where)
    if not isinstance(edge, int):
        raise DataError(f"{where}: 'size' is {brief(given['size'])}; it must be an object of shortest_edge")
    if not 0 < share <= 1:
        raise DataError(f"{where}: 'crop_pct' is {share}; it must be above 0, and 1 at most")
    return ((edge, edge), None) if edge >= _CONVNEXT_WHOLE else (int(edge / share), (edge, edge))


def _edges(given: Mapping[str, Any], name: str, where: str) -> int | tuple[int, int]:
    """Returns the shorter edge, or both as (height, width); old files have a number where new ones have names."""
    value: Any = given[name]
    match value:
        case {"height": height, "width": width} if len(value) == 2:
            edges = [height, width]
        case {"shortest_edge": edge} if len(value) == 1 and name == "size":
            edges = [edge]
        case [_, _]:
            edges = value
        case _:
            edges = [value]
    if any(isinstance(edge, bool) or not isinstance(edge, int) for edge in edges):
        raise DataError(
            f"{where}: '{name}' is {brief(value)}; it must be a whole number, or an object of height and width"
            + (" or of shortest_edge" if name == "size" else "")
        )
    return edges[0] if len(edges) == 1 else (edges[0], edges[1])


def _both(edges: int | tuple[int, int]) -> tuple[int, int]:
    return (edges, edges) if isinstance(edges, int) else edges


def _resample(given: Mapping[str, Any], where: str) -> Resample:
    names, number = get_args(Resample), given["resample"]
    if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number < len(names):
        raise DataError(f"{where}: 'resample' is {brief(number)}; it must be a number from 0 to {len(names) - 1}")
    return names[number]


def _three(given: Mapping[str, Any], name: str, where: str) -> tuple[float, float, float]:
    values = given[name] if isinstance(given[name], list) else [given[name]] * 3
    if len(values) != 3:
        raise DataError(f"{where}: '{name}' is {brief(values)}; it must hold 3 numbers")
    red, green, blue = (_number(value, name, where) for value in values)
    return red, green, blue


def _number(value: Any, name: str, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= _LARGEST:
        raise DataError(f"{where}: '{name}' holds {brief(value)}; it must be a number up to {_LARGEST:,.0f}")
    return float(value)
