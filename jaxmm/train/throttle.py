"""Bounds how far the host may run ahead of the devices."""

from collections import deque
from typing import Any

import jax


class Throttle:
    """Waits until at most `num_in_flight` steps are unfinished.

    Unbounded dispatch lets several virtual devices of one host dead-lock in their collectives.

    Args:
        num_in_flight: Steps that may be unfinished after `add`, >= 0.

    Example:
        >>> throttle = Throttle(1)
        >>> [throttle.add(jax.numpy.float32(step)) is None for step in range(2)]
        [True, False]
    """

    def __init__(self, num_in_flight: int = 2) -> None:
        self._num_in_flight = num_in_flight
        self._waiting: deque[Any] = deque()

    def add(self, outputs: Any) -> Any | None:
        """Adds a step's outputs, and returns those of the oldest step once too many are under way, else None."""
        self._waiting.append(outputs)
        return jax.block_until_ready(self._waiting.popleft()) if len(self._waiting) > self._num_in_flight else None

    def drain(self) -> list[Any]:
        """Waits for all steps and returns the outputs that `add` has not returned yet."""
        finished = [jax.block_until_ready(outputs) for outputs in self._waiting]
        self._waiting.clear()
        return finished
