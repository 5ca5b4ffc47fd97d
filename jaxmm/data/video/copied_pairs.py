"""Pairs of the clips of `jaxmm.data.video.copies.CopiedVideos`, and of which kind each is.

Two excerpts of one video that have no time in common show one scene, but neither is a copy of the other. Collections of
near-duplicates keep such pairs apart, since the task says whether they count (incident scenes in FIVR-200K,
arXiv:1809.04094). Here too they have a kind of their own, and no label by default.
"""

import dataclasses
import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal, TypeAlias, cast

import numpy as np

from jaxmm.data.procedural.chance import take_generator
from jaxmm.data.video.alterations import AlterationKind
from jaxmm.data.video.copies import ORIGINAL
from jaxmm.errors import DataError

PairKind: TypeAlias = AlterationKind | Literal["two_copies", "same_video", "unrelated"]
"""How two clips are related: an original with a copy of a kind, two copies, or no copies at all."""

Tags: TypeAlias = Mapping[str, str]
"""What is known of a clip, as `CopiedVideos` says."""

_SOME = 1e-3  # seconds that excerpts may share by rounding
_TRIES = 20


@dataclasses.dataclass(frozen=True, kw_only=True)
class CopiedPair:
    """Two clips.

    Attributes:
        a: Key of one.
        b: Key of the other.
        kind: How they are related.
        label: 1 for copies of one excerpt, 0 for different videos, None for what counts as neither.

    Example:
        >>> CopiedPair(a="a.mp4#000/original", b="a.mp4#000/0-logo", kind="logo", label=1).label
        1
    """

    a: str
    b: str
    kind: PairKind
    label: Literal[0, 1] | None


def pair_kind(one: Tags, other: Tags) -> PairKind | None:
    """Returns how two clips are related, by their tags.

    Returns:
        None where they share some seconds but not all: excerpts that overlap, and where one shows a stretch of the
        other's video that was spliced in.

    Raises:
        DataError: If a tag is missing.

    Example:
        >>> clip = {"source": "a.mp4", "excerpt": "a.mp4#000", "kind": "original", "start": "0.0", "end": "4.0"}
        >>> pair_kind(clip, {**clip, "kind": "logo"})
        'logo'
        >>> pair_kind(clip, {**clip, "excerpt": "a.mp4#001", "start": "4.0", "end": "8.0"})
        'same_video'
        >>> pair_kind(clip, {**clip, "source": "b.mp4", "excerpt": "b.mp4#000"})
        'unrelated'
    """
    try:
        if one["excerpt"] == other["excerpt"]:
            kinds = [own["kind"] for own in (one, other) if own["kind"] != ORIGINAL]
            return cast(AlterationKind, kinds[0]) if len(kinds) == 1 else "two_copies"
        shown = [{own["source"], own.get("others", own["source"])} for own in (one, other)]
        if one["source"] != other["source"]:
            return None if shown[0] & shown[1] else "unrelated"
        if shown[0] & shown[1] != {one["source"]}:
            return None
        shared = min(float(one["end"]), float(other["end"])) - max(float(one["start"]), float(other["start"]))
        return None if shared > _SOME else "same_video"
    except KeyError as error:
        raise DataError(f"a clip has no tag {error}; pairs are made of clips of CopiedVideos") from error


def copied_pairs(
    clips: Mapping[str, Tags],
    *,
    seed: int,
    unrelated: float = 1.0,
    same_video: float = 0.5,
    same_video_differs: bool = False,
) -> list[CopiedPair]:
    """Returns all pairs of clips of one excerpt, and draws others; no pair is of two splits.

    Args:
        clips: Tags of each clip, by its key; their order changes nothing.
        seed: Seed of what is drawn, >= 0.
        unrelated: Pairs of different videos for each pair of copies, >= 0; there may be fewer where there are few.
        same_video: Pairs of excerpts of one video without common time for each pair of copies, >= 0; so here.
        same_video_differs: Whether the latter have the label 0; by default they have none.

    Raises:
        DataError: If a tag is missing.

    Example:
        >>> clip = {"split": "train", "source": "a", "excerpt": "a#0", "kind": "original", "start": "0", "end": "4"}
        >>> pairs = copied_pairs({"a": clip, "c": {**clip, "kind": "logo"}}, seed=0)
        >>> [(pair.a, pair.b, pair.kind, pair.label) for pair in pairs]
        [('a', 'c', 'logo', 1)]
    """
    parts: dict[str, dict[str, dict[str, list[str]]]] = {}
    for key in sorted(clips, key=lambda key: (clips[key].get("kind") != ORIGINAL, key)):
        own = clips[key]
        if lacking := [name for name in ("split", "source", "excerpt") if name not in own]:
            raise DataError(f"{key}: has no tag {lacking[0]!r}; pairs are made of clips of CopiedVideos")
        parts.setdefault(own["split"], {}).setdefault(own["source"], {}).setdefault(own["excerpt"], []).append(key)
    pairs: list[CopiedPair] = []
    for split, sources in sorted(parts.items()):
        names = sorted(sources)
        excerpts = [[sources[name][excerpt] for excerpt in sorted(sources[name])] for name in names]
        copies = [pair for own in excerpts for keys in own for pair in itertools.combinations(keys, 2)]
        pairs += [_pair(clips, pair, label=1) for pair in copies]
        videos = [[key for keys in own for key in keys] for own in excerpts]
        ways: tuple[tuple[PairKind, list[list[list[str]]], float, Literal[0, 1] | None], ...] = (
            ("unrelated", [videos], unrelated, 0),
            ("same_video", excerpts, same_video, 0 if same_video_differs else None),
        )
        for kind, families, rate, label in ways:
            rng = take_generator(f"{split} {kind}", seed=seed, take=0)
            drawn = _draw(clips, families, kind, count=round(rate * len(copies)), rng=rng)
            pairs += [_pair(clips, pair, label=label) for pair in drawn]
    return pairs


def _draw(
    clips: Mapping[str, Tags],
    families: Sequence[Sequence[Sequence[str]]],
    kind: PairKind,
    *,
    count: int,
    rng: np.random.Generator,
) -> Iterator[tuple[str, str]]:
    """Yields distinct pairs of a kind: of one family each, and of two groups of it; as many as are soon found."""
    found = set[tuple[str, str]]()
    families = [family for family in families if len(family) > 1]
    for _ in range(_TRIES * count if families else 0):
        if len(found) == count:
            return
        family = families[int(rng.integers(len(families)))]
        one, other = map(int, rng.choice(len(family), 2, replace=False))
        a, b = sorted(family[place][int(rng.integers(len(family[place])))] for place in (one, other))
        if (a, b) not in found and pair_kind(clips[a], clips[b]) == kind:
            found.add((a, b))
            yield a, b


def _pair(clips: Mapping[str, Tags], keys: tuple[str, str], *, label: Literal[0, 1] | None) -> CopiedPair:
    kind = pair_kind(*(clips[key] for key in keys))
    assert kind is not None
    return CopiedPair(a=keys[0], b=keys[1], kind=kind, label=label)
