"""Shared type names, and the glossary of axis names used in every signature.

Axis names: `batch` examples, `time` frames, `joints` skeleton joints, `coords` the three space
coordinates, `dim` embedding or feature width, `tokens` text positions, `heads` attention heads.
Masks are boolean and True where a value is valid. Lengths are metres, rates frames per second.
"""

from collections.abc import Mapping
from typing import Any, TypeAlias

Array: TypeAlias = Any
"""A JAX or NumPy array where a signature states no shape."""

Params: TypeAlias = Mapping[str, Any]
"""A nested tree of parameter arrays, keyed by module then variable name."""

Collections: TypeAlias = Mapping[str, Any]
"""Non-trainable variable collections of Linen modules, such as batch statistics."""

Batch: TypeAlias = Mapping[str, Array]
"""Named arrays that share their first axis; `example_mask` marks the rows that are real."""

Metrics: TypeAlias = Mapping[str, Array]
"""Scalars by name, `<split>/<direction>/<name>` once reported."""

Length: TypeAlias = Any
"""Length of an axis: a whole number, or an expression of lengths where a program is traced for all sizes at once."""
