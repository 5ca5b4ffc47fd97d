"""What recordings show: labels, and the seconds of a recording in which each is seen."""

import dataclasses
from typing import Literal, TypeAlias

import numpy as np
from jaxtyping import Float, Float32

from jaxmm.data.motion import Motion
from jaxmm.page.body import Body

Cut: TypeAlias = Literal["parts", "busiest", "turn", "rise", "fall"]
"""Which seconds are taken: all, part by part; those of most movement; those about a turn; those in which hands rise, or
sink again."""

Span: TypeAlias = tuple[int, int]
"""First frame, and the one after the last."""

_LOW, _HIGH = 0.1, 0.9  # of the way of a hand
_BEFORE, _AFTER = 0.3, 0.5  # seconds of rest that are kept


@dataclasses.dataclass(frozen=True, kw_only=True)
class Action:
    """An action that is seen in recordings of one kind.

    Attributes:
        content: What the recordings' tag says.
        label: What is seen.
        cut: Where.
        reversed: Whether it is seen when time runs backwards.

    Example:
        >>> Action(content="walk", label="walk backward", cut="parts", reversed=True).label
        'walk backward'
    """

    content: str
    label: str
    cut: Cut
    reversed: bool = False


@dataclasses.dataclass(frozen=True, kw_only=True)
class Actions:
    """The actions of a collection of recordings.

    Attributes:
        actions: What is seen; recordings of another content are left out.
        content_tag: Tag of recordings that tells their content.
        style_tag: Tag that tells how or by whom it is done.
        val_styles: Styles that are held out to validate.
        test_styles: Styles that are held out to test.

    Example:
        >>> len({action.label for action in BANDAI.actions})
        18
    """

    actions: tuple[Action, ...]
    content_tag: str = "content"
    style_tag: str = "style"
    val_styles: tuple[str, ...] = ()
    test_styles: tuple[str, ...] = ()


def _bandai() -> tuple[Action, ...]:
    ways: tuple[tuple[str, str, Cut], ...] = (
        ("raise-up", "raise", "rise"),
        ("raise-up", "lower", "fall"),
        ("wave", "wave", "busiest"),
    )
    hands = ("left hand", "right hand", "both hands")
    hand_actions = [
        Action(content=f"{content}-{hand.replace(' ', '-')}", label=f"{verb} {hand}", cut=cut)
        for hand in hands
        for content, verb, cut in ways
    ]
    return (
        *hand_actions,
        Action(content="walk", label="walk forward", cut="parts"),
        Action(content="walk", label="walk backward", cut="parts", reversed=True),
        Action(content="walk-back", label="walk backward", cut="parts"),
        Action(content="walk-left", label="walk sideways left", cut="parts"),
        Action(content="walk-right", label="walk sideways right", cut="parts"),
        Action(content="walk-turn-left", label="walk and turn left", cut="turn"),
        Action(content="walk-turn-right", label="walk and turn right", cut="turn"),
        Action(content="run", label="run", cut="busiest"),
        Action(content="bow", label="bow", cut="busiest"),
        Action(content="guide", label="guide", cut="busiest"),
    )


BANDAI = Actions(
    actions=_bandai(),
    val_styles=("sad", "musical"),
    test_styles=("youthful", "childish", "happy", "proud"),
)
"""Those of the Bandai-Namco-Research motion dataset, both parts, with its styles. Reference: arXiv:2306.08861."""


def spans(motion: Motion, cut: Cut, *, seconds: float) -> list[Span]:
    """Returns the frames in which an action is seen.

    Args:
        motion: The recording.
        cut: How they are found.
        seconds: Longest part, > 0; a shorter recording is taken whole where all of it is seen.

    Returns:
        One or more parts; of "rise" and "fall" none where no hand moves up or the arms cannot be told.

    Example:
        >>> from jaxmm.data.procedural import motions
        >>> walk = next(iter(motions("train", seed=0, takes=1)))
        >>> (start, stop), = spans(walk, "busiest", seconds=1.0)
        >>> (stop - start) / walk.fps
        1.0
    """
    longest = min(motion.num_frames, max(1, round(seconds * motion.fps)))
    match cut:
        case "parts":
            count = max(1, motion.num_frames // longest)
            starts = np.linspace(0, motion.num_frames - longest, count).round().astype(int)
            return [(int(start), int(start) + longest) for start in starts]
        case "busiest":
            speed = np.linalg.norm(np.diff(motion.positions - motion.positions[:, :1], axis=0), axis=-1).mean(1)
            moved = np.concatenate([[0.0], np.cumsum(speed)])
            start = int((moved[longest - 1 :] - moved[: len(moved) - longest + 1]).argmax())
            return [(start, start + longest)]
        case "turn":
            return [_about(_middle_of_turn(motion), longest, motion.num_frames)]
    height = _height_of_hands(motion)
    found = _rise(height if cut == "rise" else height[::-1], motion.fps, longest)
    if found is None:
        return []
    return [found if cut == "rise" else (motion.num_frames - found[1], motion.num_frames - found[0])]


def _about(middle: int, length: int, num_frames: int) -> Span:
    start = min(max(0, middle - length // 2), num_frames - length)
    return start, start + length


def _middle_of_turn(motion: Motion) -> int:
    """Returns where a figure faces half-way between its directions in the beginning and at the end."""
    left, right = motion.skeleton.hip_joints()
    across = motion.positions[:, left] - motion.positions[:, right]
    facing = np.unwrap(np.arctan2(-across[:, 2], across[:, 0]))
    share = (facing - facing[0]) / ((facing[-1] - facing[0]) or 1)
    return int((share > 0.5).argmax())


def _height_of_hands(motion: Motion) -> Float32[np.ndarray, "time"]:
    """Returns the height of the higher hand about the root; zero where no arms can be told."""
    body = Body.of(motion.skeleton, [motion.positions])
    if not body.trunk:
        return np.zeros(motion.num_frames, np.float32)
    ends = list(body.trunk[0][:2])
    for place, joint in enumerate(ends):
        while joint in motion.skeleton.parents:
            joint = motion.skeleton.parents.index(joint)
        ends[place] = joint
    return (motion.positions[:, ends, 1] - motion.positions[:, :1, 1]).max(1)


def _rise(height: Float[np.ndarray, "time"], fps: float, longest: int) -> Span | None:
    """Returns the frames from rest to the first height that is near the greatest."""
    reach = np.ptp(height)
    if not reach:
        return None
    share = (height - height[0]) / reach
    top = int((share >= _HIGH * share.max()).argmax())
    low = np.flatnonzero(share[: top + 1] <= _LOW)
    if not len(low) or share.max() < 0.5:
        return None
    start = max(0, int(low[-1]) - round(_BEFORE * fps))
    stop = min(len(height), top + 1 + round(_AFTER * fps))
    return start, min(stop, start + longest)
