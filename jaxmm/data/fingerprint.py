"""Fingerprints of data: JSON values that differ, by the name of a field, wherever training batches would differ."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Int32, Int64

from jaxmm.config import encode
from jaxmm.data.store import Stored

_CHANGES_NO_BATCH = ("root", "num_threads", "window_stride")


def fingerprint(
    settings: Any,
    stored: Stored,
    splits: Mapping[str, Sequence[int]],
    *,
    texts: Sequence[Sequence[str]],
    order: Int64[np.ndarray, "clips"],
    tokens: Int32[np.ndarray, "texts tokens"],
    seed: int,
    num_processes: int,
) -> dict[str, Any]:
    """Describes everything that training batches are made of.

    Args:
        settings: Data settings, a dataclass; where the files lie, how many threads read them and how long motions are
            evaluated is left out.
        stored: All clips.
        splits: Clips of each split, as indices into `stored`; clips of none are left out.
        texts: What is said of each clip.
        order: Clips of the training split in the order of the first epoch, as places in that split.
        tokens: What the tokenizer makes of all texts.
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
        ...     fingerprint(Augmentation(mirror_rate=rate), stored, {"train": [0]}, texts=[["a pause"]],
        ...                 order=np.array([0]), tokens=np.zeros((1, 2), np.int32), seed=seed, num_processes=1)
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
            "tokens": _digest(tokens.tolist()),
            # What becomes of a seed is the business of another library, and may change with its version.
            "order": _digest([stored.keys[splits["train"][place]] for place in order]),
            "clips": {
                stored.keys[index]: {
                    "split": split_of[index],
                    "frames": stored.digests[index],
                    "texts": _digest(texts[index]),
                }
                for index in sorted(split_of)
            },
        },
    }


def _digest(values: Sequence[Any]) -> str:
    return hashlib.sha256(json.dumps(values).encode()).hexdigest()[:32]
