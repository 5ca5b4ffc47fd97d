"""Lists of pairs of videos, in tables that say which two are the same."""

import dataclasses
from collections.abc import Collection
from pathlib import Path

from jaxmm.data.inventory import Problem
from jaxmm.data.video.lists import Row, list_table
from jaxmm.errors import DataError, brief

_LABELS = {"0": False, "1": True}


@dataclasses.dataclass(frozen=True, kw_only=True)
class VideoPair:
    """Two videos.

    Attributes:
        a: Key of one.
        b: Key of the other.
        same: Whether they are the same.
        kind: How they are related, such as `cropped` or `unrelated`; empty where the list does not say.
        where: File and line that name them, for messages.

    Example:
        >>> VideoPair(a="a.mp4", b="b.mp4", same=True, kind="cropped").same
        True
    """

    a: str
    b: str
    same: bool
    kind: str = ""
    where: str = dataclasses.field(default="", compare=False)


def list_pairs(path: Path, *, videos: Collection[str]) -> tuple[list[VideoPair], list[Problem]]:
    r"""Returns the pairs of a CSV table that are in order, and what is wrong with its other rows.

    Args:
        path: The table, with columns `a` and `b`, the keys of videos, `label`, 1 of the same and 0 of different ones,
            and perhaps `kind`; further ones are passed over. A pair may not repeat, in either order.
        videos: Keys of the videos that there are.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "pairs.csv"
        >>> _ = path.write_text("a,b,label\na.mp4,b.mp4,1\nb.mp4,a.mp4,0\n")
        >>> pairs, problems = list_pairs(path, videos={"a.mp4", "b.mp4"})
        >>> pairs[0].same, problems[0].message.rpartition("/")[2]
        (True, 'pairs.csv:2 says 1; keep one')
    """
    rows, problems = list_table(path, columns=("a", "b", "label"))
    known, pairs, named = frozenset(videos), list[VideoPair](), dict[frozenset[str], Row]()
    for row in rows:
        try:
            pair = _pair(row, known)
            first = named.setdefault(frozenset((pair.a, pair.b)), row)
            if first is not row:
                one, other = first.values["label"], row.values["label"]
                said = "was named" if one == other else f"has the label {other}, but"
                then = f"at {first.where}" if one == other else f"{first.where} says {one}"
                raise DataError(f"{row.where}: the pair {brief(pair.a)}, {brief(pair.b)} {said} {then}; keep one")
            pairs.append(pair)
        except DataError as error:
            problems.append(Problem(kind="lists", message=str(error)))
    return pairs, problems


def _pair(row: Row, videos: Collection[str]) -> VideoPair:
    for column in ("a", "b"):
        if row.values[column] not in videos:
            raise DataError(
                f"{row.where}: {column!r} is {brief(row.values[column])}, which is no video here; correct it, or add "
                "the video"
            )
    if row.values["label"] not in _LABELS:
        raise DataError(
            f"{row.where}: 'label' is {brief(row.values['label'])}; give 1 of the same videos, 0 of different ones"
        )
    a, b = row.values["a"], row.values["b"]
    if a == b:
        raise DataError(f"{row.where}: pairs {brief(a)} with itself; name two videos, or remove the row")
    return VideoPair(a=a, b=b, same=_LABELS[row.values["label"]], kind=row.values.get("kind", ""), where=row.where)
