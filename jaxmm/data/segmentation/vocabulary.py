"""The vocabulary: the labels that frames can have, and what each of them means in words."""

import dataclasses
import functools
from collections import Counter
from collections.abc import Mapping, Sequence

from jaxmm.errors import DataError, brief, reason

_LONGEST_LABEL = 200


@dataclasses.dataclass(frozen=True)
class Vocabulary:
    """The labels that frames can have, in the order of their numbers, each with a description.

    Attributes:
        labels: Distinct names without spaces.
        descriptions: What each label means, in words.

    Raises:
        DataError: If there is no label, one repeats or holds a space, or a description is missing or empty.

    Example:
        >>> salad = Vocabulary(("cut_tomato", "null"), ("cut the tomato", "no action or transition"))
        >>> salad.index("null"), salad.num_labels
        (1, 2)
    """

    labels: tuple[str, ...]
    descriptions: tuple[str, ...]

    def __post_init__(self) -> None:
        if not self.labels or len(self.labels) != len(self.descriptions):
            raise DataError(
                f"vocabulary: {len(self.labels)} labels with {len(self.descriptions)} descriptions; give one or more "
                "labels, each with its own"
            )
        for label, count in Counter(self.labels).items():
            checked_label(label, "vocabulary")
            if count > 1:
                raise DataError(f"vocabulary: label {brief(label)} repeats; keep one")
        for label, description in zip(self.labels, self.descriptions, strict=True):
            checked_description(description, f"vocabulary: {brief(label)}")

    @classmethod
    def of(cls, labels: Sequence[str], descriptions: Mapping[str, str] | None = None) -> "Vocabulary":
        """Builds a vocabulary; a label without a description is described by its words.

        Args:
            labels: Distinct names without spaces, in the order of their numbers.
            descriptions: Descriptions by label; those of other labels are left out.

        Raises:
            DataError: If there is no label, one repeats or holds a space, or a description is empty.

        Example:
            >>> Vocabulary.of(["cut_tomato", "null"], {"null": "no action or transition"}).descriptions
            ('cut tomato', 'no action or transition')
        """
        given = {} if descriptions is None else descriptions
        return cls(tuple(labels), tuple(given[label] if label in given else words_of(label) for label in labels))

    @property
    def num_labels(self) -> int:
        """Number of labels."""
        return len(self.labels)

    @functools.cached_property
    def indices(self) -> Mapping[str, int]:
        """The number of each label."""
        return {label: index for index, label in enumerate(self.labels)}

    def index(self, label: str) -> int:
        """Returns the number of a label.

        Raises:
            DataError: If there is no such label.
        """
        if label not in self.indices:
            raise DataError(f"no label {brief(label)}; the labels are {brief(', '.join(self.labels), 300)}")
        return self.indices[label]


def words_of(label: str) -> str:
    """Returns what a label says by itself: its words, or the label where it has none.

    Example:
        >>> words_of("place_cheese_into_bowl")
        'place cheese into bowl'
    """
    return " ".join(label.replace("_", " ").split()) or label


def checked_label(label: str, where: str) -> str:
    """Returns a name of a label.

    Args:
        label: The name.
        where: The place that a message names.

    Raises:
        DataError: If it is empty, long, or holds a space or what cannot be printed.

    Example:
        >>> checked_label("cut_tomato", "mapping.txt:1")
        'cut_tomato'
    """
    if not label or not label.isprintable() or " " in label or len(label) > _LONGEST_LABEL:
        raise DataError(
            f"{where}: label {brief(label)} is empty, too long, or holds a space or what cannot be printed; "
            "write one short word, with _ for spaces"
        )
    return label


def checked_description(description: str, where: str) -> str:
    """Returns a description.

    Args:
        description: The words.
        where: The place that a message names.

    Raises:
        DataError: If it is empty, has spaces around it or runs of them, or is not valid Unicode.

    Example:
        >>> checked_description("cut the tomato", "mapping.txt:1")
        'cut the tomato'
    """
    if not description or description != " ".join(description.split()):
        raise DataError(f"{where}: its description {brief(description)} is empty or has stray spaces; say what it is")
    try:
        description.encode()
    except UnicodeEncodeError as error:
        raise DataError(f"{where}: its description is not valid Unicode ({reason(error)}); correct it") from error
    return description
