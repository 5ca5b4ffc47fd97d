"""Synthetic human motion with sentences: seeded, unlimited, made by rules and not recorded from people."""

from jaxmm.data.procedural.combinations import Combination, Split, all_combinations, is_held_out, split_of
from jaxmm.data.procedural.figure import FIGURE
from jaxmm.data.procedural.grammar import Clause
from jaxmm.data.procedural.synthesis import motions, synthesize

__all__ = [
    "FIGURE",
    "Clause",
    "Combination",
    "Split",
    "all_combinations",
    "is_held_out",
    "motions",
    "split_of",
    "synthesize",
]
