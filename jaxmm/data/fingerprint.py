"""Fingerprints of data: JSON values that differ, by the name of a field, wherever training batches would differ."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Int32, Int64

from jaxmm.config import encode
from jaxmm.data.packed import PackedMotions

_CHANGES_NO_BATCH = ("root", "num_threads", "window_stride")


def fingerprint(
    settings: Any,
    packed: PackedMotions,
    splits: Mapping[str, Sequence[int]],
    *,
    order: Int64[np.ndarray, "motions"],
    tokens: Int32[np.ndarray, "texts tokens"],
    seed: int,
    num_processes: int,
) -> dict[str, Any]:
    """Describes everything that training batches are made of.

    Args:
        settings: Data settings, a dataclass; where the files lie, how many threads read them and how long motions are
            evaluated is left out.
        packed: All motions.
        splits: Motions of each split, as indices into `packed`.
        order: Motions of the training split in the order of the first epoch, as places in that split.
        tokens: What the tokenizer makes of all captions.
        seed: Seed of the order and the augmentation.
        num_processes: Processes that share a batch.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> from jaxmm.config import differences
        >>> from jaxmm.data.motion import Motion, Skeleton
        >>> from jaxmm.data.packed import pack
        >>> from jaxmm.data.transforms import Augmentation
        >>> still = Motion(key="still", positions=np.zeros((6, 1, 3), np.float32), fps=10.0, captions=("a pause",),
        ...                skeleton=Skeleton(joint_names=("Hips",), parents=(-1,)))
        >>> packed = pack([still], Path(tempfile.mkdtemp()) / "packed", fps=10.0)
        >>> one, other = (
        ...     fingerprint(Augmentation(mirror_rate=rate), packed, {"train": [0]}, order=np.array([0]),
        ...                 tokens=np.zeros((1, 2), np.int32), seed=seed, num_processes=1)
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
            "skeleton": encode(packed.skeleton),
            "tokens": _digest(tokens.tolist()),
            # What becomes of a seed is the business of another library, and may change with its version.
            "order": _digest([packed.keys[splits["train"][place]] for place in order]),
            "motions": {
                key: {
                    "split": split_of[index],
                    "frames": packed.digests[index],
                    "captions": _digest(packed.captions[index]),
                }
                for index, key in enumerate(packed.keys)
            },
        },
    }


def _digest(values: Sequence[Any]) -> str:
    return hashlib.sha256(json.dumps(values).encode()).hexdigest()[:32]
