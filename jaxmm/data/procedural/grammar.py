"""What the synthetic figure can do: actions, their factors, and every clause that fits a clip."""

import dataclasses
import itertools
from typing import Literal, TypeAlias

Side: TypeAlias = Literal["left", "right", "both"]
Speed: TypeAlias = Literal["slow", "plain", "quick"]
Pace: TypeAlias = tuple[Speed, int]

_MIRRORED = {"left": "right", "right": "left"}
_SPEEDS: tuple[Pace, ...] = (("slow", 1), ("plain", 1), ("quick", 1))
_COUNTS: tuple[Pace, ...] = (("plain", 1), ("plain", 2), ("plain", 3))
_SPEEDS_AND_COUNTS: tuple[Pace, ...] = (*_COUNTS, ("slow", 1), ("quick", 1))
_ONCE_OR_TWICE: tuple[Pace, ...] = (("plain", 1), ("plain", 2))
_ONCE: tuple[Pace, ...] = (("plain", 1),)
_ONE_SIDE: tuple[Side, ...] = ("left", "right")
_ANY_SIDE: tuple[Side, ...] = ("left", "right", "both")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Clause:
    """One action with its factors.

    Attributes:
        action: Name of the action, such as `kick`.
        side: The limb that acts, from the figure's own point of view; None where the whole body acts.
        direction: Where the action goes; None where it has one way only.
        speed: Markedly slow, ordinary or markedly quick.
        count: Number of repetitions, 1 to 3.

    Example:
        >>> Clause(action="kick", side="left", direction="forward", count=2).key
        'kick-left-forward-2'
    """

    action: str
    side: Side | None = None
    direction: str | None = None
    speed: Speed = "plain"
    count: int = 1

    @property
    def key(self) -> str:
        """Name of the clause, unique among clauses."""
        speed = None if self.speed == "plain" else self.speed
        count = None if self.count == 1 else str(self.count)
        return "-".join(word for word in (self.action, self.side, self.direction, speed, count) if word)

    def mirrored(self) -> "Clause":
        """Returns the clause with left and right exchanged.

        Example:
            >>> Clause(action="walk", direction="left").mirrored().key
            'walk-right'
        """
        side: Side | None = {"left": "right", "right": "left", "both": "both", None: None}[self.side]
        direction = None if self.direction is None else _MIRRORED.get(self.direction, self.direction)
        return dataclasses.replace(self, side=side, direction=direction)


def _vary(
    action: str,
    paces: tuple[Pace, ...],
    *,
    sides: tuple[Side | None, ...] = (None,),
    directions: tuple[str | None, ...] = (None,),
) -> tuple[Clause, ...]:
    return tuple(
        Clause(action=action, side=side, direction=direction, speed=speed, count=count)
        for side, direction, (speed, count) in itertools.product(sides, directions, paces)
    )


SINGLE_CLAUSES: tuple[Clause, ...] = (
    *_vary("walk", _SPEEDS, directions=("forward", "backward", "left", "right")),
    *_vary("run", _SPEEDS, directions=("forward", "left", "right")),
    *_vary("sidestep", _SPEEDS, directions=("left", "right")),
    *_vary("march", _SPEEDS, directions=("in place", "forward")),
    *_vary("quarter turn", _SPEEDS, directions=("left", "right")),
    *_vary("half turn", _SPEEDS, directions=("left", "right")),
    *_vary("spin", _SPEEDS, directions=("left", "right")),
    *_vary("dance", _SPEEDS, directions=("left", "right")),
    *_vary("jump", _COUNTS, directions=("up", "forward", "backward")),
    *_vary("hop", _COUNTS, sides=_ONE_SIDE),
    *_vary("jumping jack", _COUNTS),
    *_vary("squat", _SPEEDS_AND_COUNTS),
    *_vary("bow", _SPEEDS_AND_COUNTS),
    *_vary("lunge", _ONCE_OR_TWICE, sides=_ONE_SIDE, directions=("forward", "sideways")),
    *_vary("kick", _SPEEDS_AND_COUNTS, sides=_ONE_SIDE, directions=("forward", "sideways")),
    *_vary("punch", _SPEEDS_AND_COUNTS, sides=_ONE_SIDE, directions=("forward", "upward")),
    *_vary("throw", _ONCE_OR_TWICE, sides=_ONE_SIDE, directions=("overhand", "underhand")),
    *_vary("wave", _SPEEDS, sides=_ANY_SIDE),
    *_vary("raise", _SPEEDS_AND_COUNTS, sides=_ANY_SIDE, directions=("forward", "sideways", "overhead")),
    *_vary("clap", _COUNTS, directions=("in front", "overhead")),
    *_vary("pick up", _SPEEDS, sides=_ANY_SIDE),
)
"""Every clause that can fill a clip alone."""

SHORT_CLAUSES: tuple[Clause, ...] = (
    *_vary("walk", _ONCE, directions=("forward", "backward")),
    *_vary("sidestep", _ONCE, directions=("left", "right")),
    *_vary("quarter turn", _ONCE, directions=("left", "right")),
    *_vary("half turn", _ONCE, directions=("left", "right")),
    *_vary("jump", _ONCE, directions=("up", "forward")),
    *_vary("jumping jack", _ONCE),
    *_vary("squat", _ONCE),
    *_vary("bow", _ONCE),
    *_vary("lunge", _ONCE, sides=_ONE_SIDE, directions=("forward",)),
    *_vary("kick", _ONCE, sides=_ONE_SIDE, directions=("forward",)),
    *_vary("punch", _ONCE, sides=_ONE_SIDE, directions=("forward",)),
    *_vary("throw", _ONCE, sides=_ONE_SIDE, directions=("overhand",)),
    *_vary("wave", _ONCE, sides=_ANY_SIDE),
    *_vary("raise", _ONCE, sides=_ANY_SIDE, directions=("overhead",)),
    *_vary("clap", _ONCE, directions=("in front",)),
    *_vary("pick up", _ONCE, sides=_ANY_SIDE),
)
"""The clauses brief enough for two of them, of different actions, to share a clip."""
