"""Fingerprints of data: JSON values that differ, by the name of a field, wherever training batches would differ."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Int64

from jaxmm.config import encode
from jaxmm.data.store import Stored

_CHANGES_NO_BATCH = ("root", "num_threads", "window_stride", "on_bad", "time_limit_s", "packed_gib")


def fingerprint(
    settings: Any,
    stored: Stored,
    splits: Mapping[str, Sequence[int]],
    *,
    order: Int64[np.ndarray, "clips"],
    seed: int,
    num_processes: int,
) -> dict[str, Any]:
    """Describes what training batches of any kind are made of.

    Args:
        settings: Data settings, a dataclass; where the files lie, how they are read and how long motions are
            evaluated is left out.
        stored: All clips.
        splits: Clips of each split, as indices into `stored`; clips of none are left out.
        order: Clips of the training split in the order of the first epoch, as places in that split.
        seed: Seed of the order and the augmentation.
        num_processes: Processes that share a batch.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> from jaxmm.config import differences
        >>> from jaxmm.data.store import open_stored, store
        >>> from jaxmm.data.transforms import Augmentation
        >>> folder = Path(tempfile.mkdtemp()) / "stored"
        >>> store([("still", np.zeros((6, 3), np.float32), {})], folder, fps=10.0, about=dict)
        >>> stored = open_stored(folder, shape=lambda about: (3,))
        >>> one, other = (
        ...     fingerprint(Augmentation(mirror_rate=rate), stored, {"train": [0]},
        ...                 order=np.array([0]), seed=seed, num_processes=1)
        ...     for rate, seed in ((0.0, 3), (0.5, 4)))
        >>> differences(one, other)
        ['seed: 3 -> 4', 'data.mirror_rate: 0.0 -> 0.5']
    """
    split_of = {index: name for name, own in splits.items() for index in own}
    return {
        "seed": seed,
        "num_processes": num_processes,
        "data": {
            **{name: value for name, value in encode(settings).items() if name not in _CHANGES_NO_BATCH},
            "about": stored.about,
            # What becomes of a seed is the business of another library, and may change with its version.
            "order": digest([stored.keys[splits["train"][place]] for place in order]),
            "clips": {
                stored.keys[index]: {
                    "split": split_of[index],
                    "frames": stored.digests[index],
                }
                for index in sorted(split_of)
            },
        },
    }


def digest(values: Sequence[Any]) -> str:
    """Returns the first half of the SHA-256 of JSON values.

    Example:
        >>> digest(["a walk"]) == digest(("a walk",))
        True
    """
    return hashlib.sha256(json.dumps(values).encode()).hexdigest()[:32]
