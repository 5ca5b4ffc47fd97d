"""Videos that are compared as a table of pairs says."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Int8, Int64

from jaxmm.data.comparing import ComparedVideos, Comparison, SimilarPair
from jaxmm.data.inventory import Problem
from jaxmm.data.pairs import VideoPair, list_pairs
from jaxmm.errors import ConfigError, DataError, brief


@dataclasses.dataclass(frozen=True, kw_only=True)
class ListedPairs:
    """Compares videos as a table of pairs says, and no others.

    A pair belongs to the split of its two videos; one of two splits is an error. One with a video that is of no split,
    or cannot be read, is left out.

    Attributes:
        table: CSV with columns `a` and `b`, the keys of videos, `label`, 1 or 0, and perhaps `kind`; a path below the
            root, or an absolute one.

    Example:
        >>> ListedPairs(table="pairs.csv").rows(8)
        (4, 2)
    """

    table: str = "pairs.csv"

    def rows(self, batch_size: int) -> tuple[int, int]:
        """Returns how many pairs are in a batch, and 2.

        Raises:
            ConfigError: If the batch holds half a pair.
        """
        if batch_size % 2:
            raise ConfigError(
                f"data.batch_size is {batch_size}, but ListedPairs draws two clips at once; give an even one"
            )
        return batch_size // 2, 2

    def listed(
        self, folder: Path | None, splits: Mapping[str, str], *, others: Sequence[str] = ()
    ) -> tuple[list[VideoPair], list[Problem]]:
        """Returns the pairs of videos of one split, and what is wrong with the table.

        Args:
            folder: Folder of the source's files; None takes the table from where it runs.
            splits: Split of each video, by its key.
            others: Keys of videos that are of no split.
        """
        pairs, problems = list_pairs((folder or Path()) / self.table, videos={*splits, *others})
        for pair in pairs:
            one, other = splits.get(pair.a), splits.get(pair.b)
            if one is not None and other is not None and one != other:
                message = (
                    f"{pair.where}: {brief(pair.a)} is of {one}, {brief(pair.b)} of {other}; pair videos of one split, "
                    "or put both into one"
                )
                problems.append(Problem(kind="leakage", message=message))
        return [
            pair for pair in pairs if splits.get(pair.a) is not None and splits.get(pair.a) == splits.get(pair.b)
        ], problems

    def open(self, videos: ComparedVideos) -> Comparison:
        """Returns how videos are compared.

        Raises:
            DataError: If the table cannot be read, or a pair is of two splits.
        """
        split_of = {videos.keys[index]: split for split, own in videos.splits.items() for index in own}
        others = [*(key for key in videos.keys if key not in split_of), *videos.bad]
        listed, problems = self.listed(videos.folder, split_of, others=others)
        if problems:
            raise DataError(problems[0].message)
        numbers = {key: index for index, key in enumerate(videos.keys)}
        pairs = dict[str, list[SimilarPair]]()
        for own in listed:
            pair = SimilarPair(a=numbers[own.a], b=numbers[own.b], same=own.same, kind=own.kind)
            pairs.setdefault(split_of[own.a], []).append(pair)
        said = {(pair.a, pair.b): 1 if pair.same else -1 for own in pairs.values() for pair in own}
        said |= {(b, a): sign for (a, b), sign in said.items()}

        def relation(
            rows: Int64[np.ndarray, "rows"], columns: Int64[np.ndarray, "columns"]
        ) -> Int8[np.ndarray, "rows columns"]:
            signs = [said.get((a, b), 0) for a in rows.tolist() for b in columns.tolist()]
            return np.array(signs, np.int8).reshape(len(rows), len(columns))

        return Comparison(
            labels=np.zeros(len(videos.keys), np.int32),
            groups=np.zeros(len(videos.keys), np.int32),
            families=[(pair.a, pair.b) for pair in pairs.get("train", [])],
            noun="listed pairs",
            relation=relation,
            pairs=lambda split: pairs.get(split, []),
            has_labels=False,
        )
