"""How long a run is, and the stages in which more and more of its parameters train."""

import dataclasses
import re

from jaxmm.errors import ConfigError, reason


@dataclasses.dataclass(frozen=True, kw_only=True)
class Stage:
    """A part of a run, at whose start further parameters begin to train; those of earlier stages go on.

    Attributes:
        epochs: Its length, >= 1.
        pattern: Regular expression searched in paths such as `visual/layer_11/feedforward_in/kernel`; what matches
            begins to train here unless an earlier stage has begun it. What no stage matches never trains.
        lr_scale: Multiplies the learning rate of all that trains in this stage, > 0.

    Raises:
        ConfigError: If the pattern is no regular expression, or a number is out of its range.

    Example:
        >>> Stage(epochs=5, pattern="^head/").lr_scale
        1.0
    """

    epochs: int
    pattern: str
    lr_scale: float = 1.0

    def __post_init__(self) -> None:
        try:
            re.compile(self.pattern)
        except re.error as error:
            raise ConfigError(f"loop.stages: {self.pattern!r} is no regular expression ({reason(error)})") from error
        if self.epochs < 1:
            raise ConfigError(f"loop.stages: epochs is {self.epochs}; give 1 or more")
        if not self.lr_scale > 0:
            raise ConfigError(f"loop.stages: lr_scale is {self.lr_scale}; give a factor above zero")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Horizon:
    """How long a run is and what trains when, which schedules and optimizers need to know.

    Attributes:
        epochs: Passes over the training split, >= 1; with stages, the sum of theirs.
        steps_per_epoch: Updates in one pass, >= 1.
        stages: Parts of the run; without any, all parameters train from the start.
        stage: Number of the part that is looked at, from 0; None looks at the run as a whole.

    Example:
        >>> Horizon(epochs=50, steps_per_epoch=73).num_steps
        3650
    """

    epochs: int = 1
    steps_per_epoch: int = 1
    stages: tuple[Stage, ...] = ()
    stage: int | None = None

    @property
    def num_steps(self) -> int:
        """Updates in the whole run."""
        return self.epochs * self.steps_per_epoch

    @property
    def lengths(self) -> tuple[int, ...]:
        """Epochs of each stage; those of the run where it has none."""
        return tuple(stage.epochs for stage in self.stages) or (self.epochs,)

    @property
    def until(self) -> int:
        """Step at which the stage ends."""
        last = len(self.lengths) if self.stage is None else self.stage + 1
        return sum(self.lengths[:last]) * self.steps_per_epoch

    def at(self, step: int) -> "Horizon":
        """Returns the same run, looked at in the stage of the update that follows a step; past the end, in the last.

        Example:
            >>> run = Horizon(epochs=3, stages=(Stage(epochs=1, pattern="a"), Stage(epochs=2, pattern="b")))
            >>> [run.at(step).stage for step in range(4)], run.at(0).until, Horizon().at(0).stage
            ([0, 1, 1, 1], 1, None)
        """
        if not self.stages:
            return self
        parts = [dataclasses.replace(self, stage=number) for number in range(len(self.stages))]
        return next((part for part in parts if step < part.until), parts[-1])

    def begins(self, path: str) -> int | None:
        """Returns the number of the stage in which a parameter begins to train; None where it never does.

        Example:
            >>> run = Horizon(epochs=3, stages=(Stage(epochs=1, pattern="^head"), Stage(epochs=2, pattern="block_1")))
            >>> run.begins("block_1/kernel"), run.begins("block_0/kernel"), Horizon().begins("block_0/kernel")
            (1, None, 0)
        """
        if not self.stages:
            return 0
        matching = (number for number, stage in enumerate(self.stages) if re.search(stage.pattern, path))
        return next(matching, None)

    def trains(self, path: str) -> bool:
        """Tells whether a parameter trains in the stage that is looked at; of the whole run, in any."""
        begins = self.begins(path)
        return begins is not None and (self.stage is None or begins <= self.stage)
