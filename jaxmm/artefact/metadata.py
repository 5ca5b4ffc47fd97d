"""What an exported file says of itself: what it takes and gives, and where it comes from."""

import dataclasses
import json
from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

import numpy as np

from jaxmm.errors import ArtefactError, DataError, brief, reason

FORMAT = "jaxmm-artefact-1"
MAX_BYTES = 64 * 2**20
"""Of the metadata as JSON text: a tokenizer of many languages takes 17 MiB."""

DTYPES = ("float32", "int32", "uint8", "bool")
Dtype: TypeAlias = Literal["float32", "int32", "uint8", "bool"]
_WHOLE = ("int32", "uint8")
_MOST_AXES = 8


@dataclasses.dataclass(frozen=True, kw_only=True)
class Tensor:
    """One input or output of an exported function.

    Attributes:
        name: Its name.
        dtype: Its type.
        shape: Length of each axis; a name where it varies, the same length wherever that name stands.
        meaning: What it is, in words.
        below: Of whole numbers, one more than the largest; the smallest is 0. None where they mean no place.

    Example:
        >>> Tensor(name="motion_mask", dtype="bool", shape=("batch", "time"), meaning="valid frames").describe()
        'motion_mask: bool (batch, time), valid frames'
    """

    name: str
    dtype: Dtype
    shape: tuple[int | str, ...]
    meaning: str
    below: int | None = None

    @property
    def bounds(self) -> tuple[int, int] | None:
        """Smallest and largest of whole numbers; None of other types.

        Example:
            >>> Tensor(name="token_ids", dtype="int32", shape=("batch", "tokens"), meaning="", below=30522).bounds
            (0, 30521)
        """
        if self.dtype not in _WHOLE:
            return None
        ends = np.iinfo(self.dtype)
        return (ends.min, ends.max) if self.below is None else (0, min(self.below - 1, ends.max))

    def describe(self) -> str:
        """Returns a line for people."""
        axes = ", ".join(map(str, self.shape)) + ("," if len(self.shape) == 1 else "")
        return f"{self.name}: {self.dtype} ({axes}), {self.meaning}"

    def check(self) -> None:
        """Raises a ValueError where a field that comes from a file is not what it should be."""
        lengths = [axis for axis in self.shape if not isinstance(axis, str)]
        texts = (self.name, self.meaning, *(axis for axis in self.shape if isinstance(axis, str)))
        if not all(isinstance(text, str) and text.isprintable() for text in texts) or self.dtype not in DTYPES:
            raise ValueError(f"no such tensor: {brief(self)}")
        if len(self.shape) > _MOST_AXES or any(type(length) is not int or length < 0 for length in lengths):
            raise ValueError(f"{brief(self.name)} has the shape {brief(self.shape)}")
        if self.below is not None and (type(self.below) is not int or self.below < 1):
            raise ValueError(f"{brief(self.name)} is below {brief(self.below)}")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Metadata:
    """What an exported file says of itself.

    Attributes:
        task: Class of the task that was trained.
        part: What of it was exported.
        inputs: What the function takes; of a file of parameters nothing.
        outputs: What it gives.
        sizes: Least and most length of each named axis; None where there is no most.
        settings: The run's settings, as `jaxmm.config.encode` writes them.
        preprocessing: Constants by which inputs are made of what was recorded, and outputs turned back.
        labels: What the numbers of labels, classes or signers stand for, in order.
        tokenizer: Text of the tokenizer's own file; None where no text is read.
        max_tokens: Tokens that texts are cut to.
        digest: SHA-256 of the run's parameters.
        step: Step of the checkpoint.
        version: Version of jaxmm that wrote the file.
        sha256: Hashes of what else is in the file, by name.

    Example:
        >>> about = Metadata(task="DanceTextTask", part="motion", digest="", step=3, version="0.1.0")
        >>> Metadata.of_json(about.as_json()) == about
        True
        >>> Metadata.of_json("{}")
        Traceback (most recent call last):
        jaxmm.errors.ArtefactError: its metadata are none of jaxmm's; export the run with jaxmm export
    """

    task: str
    part: str
    digest: str
    step: int
    version: str
    inputs: tuple[Tensor, ...] = ()
    outputs: tuple[Tensor, ...] = ()
    sizes: Mapping[str, tuple[int, int | None]] = dataclasses.field(default_factory=dict)
    settings: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    preprocessing: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    labels: tuple[str, ...] = ()
    tokenizer: str | None = None
    max_tokens: int | None = None
    sha256: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def as_json(self) -> str:
        """Returns all of it as text.

        Raises:
            ArtefactError: If the text would be too long to be read again.
        """
        text = json.dumps({"format": FORMAT, **dataclasses.asdict(self)})
        if len(text) > MAX_BYTES:
            raise ArtefactError(
                f"the metadata take {len(text)} bytes, of at most {MAX_BYTES}; is the tokenizer so big?"
            )
        return text

    @classmethod
    def of_json(cls, text: str | bytes) -> "Metadata":
        """Reads what `as_json` returned; nothing in it is run or imported.

        Raises:
            ArtefactError: If it is something else.
        """
        try:
            fields = json.loads(text)
            if not isinstance(fields, dict) or fields.pop("format", None) != FORMAT:
                raise ArtefactError("its metadata are none of jaxmm's; export the run with jaxmm export")
            for name in ("inputs", "outputs"):
                fields[name] = tuple(Tensor(**{**own, "shape": tuple(own["shape"])}) for own in fields[name])
            fields["sizes"] = {axis: (least, most) for axis, (least, most) in fields["sizes"].items()}
            metadata = cls(**{**fields, "labels": tuple(fields["labels"])})
            metadata._check()
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise ArtefactError(f"its metadata are damaged ({brief(error, 200)}); export the run anew") from error
        return metadata

    def describe(self) -> str:
        """Returns lines for people: what it takes and gives.

        Example:
            >>> pairs = Tensor(name="x", dtype="float32", shape=("batch", 2), meaning="pairs")
            >>> print(Metadata(task="SumTask", part="sum", digest="", step=7, version="", inputs=(pairs,),
            ...                sizes={"batch": (1, None)}).describe())
            sum of SumTask, step 7
            takes
              x: float32 (batch, 2), pairs
            where batch is 1 or more
        """
        lines = [f"{self.part} of {self.task}, step {self.step}"]
        for title, tensors in (("takes", self.inputs), ("gives", self.outputs)):
            if tensors:
                lines += [title, *(f"  {tensor.describe()}" for tensor in tensors)]
        bounds = [f"{axis} is {_range(*ends)}" for axis, ends in self.sizes.items()]
        return "\n".join([*lines, *([f"where {', '.join(bounds)}"] if bounds else [])])

    def _check(self) -> None:
        """Raises a ValueError or TypeError where fields that come from a file do not fit together."""
        for tensor in (*self.inputs, *self.outputs):
            tensor.check()
        names = [tensor.name for tensor in (*self.inputs, *self.outputs)]
        axes = {axis for tensor in self.inputs for axis in tensor.shape if isinstance(axis, str)}
        texts = (self.task, self.part, self.digest, self.version, self.tokenizer or "", *self.labels)
        if len(set(names)) != len(names) or axes != set(self.sizes):
            raise ValueError("inputs, outputs and sizes do not fit together")
        if not all(isinstance(text, str) for text in (*texts, *self.sha256.values())):
            raise TypeError("a text is none")
        for text in texts:
            text.encode()  # half of a character could neither be printed nor written
        if not (self.task + self.part).isprintable():
            raise ValueError("a name would steer the terminal that it is printed on")
        ends = [end for least, most in self.sizes.values() for end in (least, *(() if most is None else (most,)))]
        tokens = () if self.tokenizer is None else (self.max_tokens,)
        if not all(type(number) is int and 0 <= number < 2**40 for number in (self.step, *ends, *tokens)):
            raise TypeError("a number is none")
        if not isinstance(self.settings, dict) or not isinstance(self.preprocessing, dict):
            raise TypeError("settings are none")

    def checked_inputs(self, given: Mapping[str, Any]) -> dict[str, np.ndarray]:
        """Returns inputs as the function takes them.

        Args:
            given: Arrays by name; floats and whole numbers of other widths are converted.

        Raises:
            ArtefactError: If one is missing or unknown, or has another type, shape or range than the function takes.
            DataError: If one is no array, since its rows are of unequal lengths.

        Example:
            >>> tensor = Tensor(name="x", dtype="float32", shape=("batch", 2), meaning="pairs")
            >>> about = Metadata(task="", part="", digest="", step=0, version="", inputs=(tensor,),
            ...                  sizes={"batch": (1, None)})
            >>> about.checked_inputs({"x": np.ones((3, 5))})
            Traceback (most recent call last):
            jaxmm.errors.ArtefactError: input x has the shape (3, 5); give (batch, 2)
        """
        wanted = {tensor.name: tensor for tensor in self.inputs}
        if set(given) != set(wanted):
            missing, unknown = sorted(set(wanted) - set(given)), sorted(set(given) - set(wanted))
            lacks = f"; missing: {', '.join(missing)}" if missing else ""
            raise ArtefactError(
                f"takes {', '.join(wanted) or 'nothing'}{lacks}"
                + (f"; not known: {', '.join(map(brief, unknown[:5]))}" if unknown else "")
            )
        lengths: dict[str, int] = {}
        return {name: self._checked(tensor, _array(name, given[name]), lengths) for name, tensor in wanted.items()}

    def _checked(self, tensor: Tensor, array: np.ndarray, lengths: dict[str, int]) -> np.ndarray:
        asked = f"({', '.join(map(str, tensor.shape))})"
        if not np.can_cast(array.dtype, tensor.dtype, "same_kind"):
            raise ArtefactError(f"input {tensor.name} is {array.dtype}; give {tensor.dtype}")
        if array.ndim != len(tensor.shape):
            raise ArtefactError(f"input {tensor.name} has the shape {array.shape}; give {asked}")
        for axis, length in zip(tensor.shape, array.shape, strict=True):
            wanted = lengths.setdefault(axis, length) if isinstance(axis, str) else axis
            if length != wanted:
                known = "".join(f", with {name} {own} as in the inputs before" for name, own in lengths.items())
                known = known if isinstance(axis, str) else ""
                raise ArtefactError(f"input {tensor.name} has the shape {array.shape}; give {asked}{known}")
            least, most = self.sizes[axis] if isinstance(axis, str) else (0, None)
            if length < least or (most is not None and length > most):
                raise ArtefactError(f"input {tensor.name}: {axis} is {length}; give {_range(least, most)}")
        if array.size and (bounds := tensor.bounds) and not bounds[0] <= array.min() <= array.max() <= bounds[1]:
            raise ArtefactError(
                f"input {tensor.name} holds {array.min()} to {array.max()}; give {bounds[0]} to {bounds[1]}"
            )
        return np.ascontiguousarray(array, tensor.dtype)


def _array(name: str, given: Any) -> np.ndarray:
    try:
        return np.asarray(given)
    except ValueError as error:
        raise DataError(f"input {name} is no array ({reason(error)}); give rows of one length") from error


def _range(least: int, most: int | None) -> str:
    return f"{least} or more" if most is None else f"{least} to {most}"
