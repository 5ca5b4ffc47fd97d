"""The default sizes of the sources, the arrays that both sides work on, and how a call is timed."""

import time
from collections.abc import Callable

import numpy as np

BATCH, FRAMES, JOINTS, TOKENS, GALLERY = 32, 30, 25, 64, 100_000
SIGN_BATCH, SIGN_FRAMES, SIGN_DIM, STATES_DIM, NOISE_DIM = 16, 128, 540, 768, 64
VIDEOS, VIDEO_FRAMES, VIDEO_DIM, NUM_LABELS = 8, 1000, 768, 19
IMAGES, IMAGE_SIZE = 16, 224
CLIPS, CLIP_FRAMES, CLIP_DIM, NUM_ACTIONS = 32, 8, 512, 15
VIDEO_REACH = 29  # frames that the answer to one depends on
SEEN_FRAMES, FRAME_SIZE = 16, 224
PAIRS, PAIR_FRAMES, PAIR_DIM = 32, 16, 2048
SECONDS = 6.0


def fastest(step: Callable[[], object]) -> float:
    """Returns the milliseconds of the fastest call, after three to warm up."""
    for _ in range(3):
        step()
    times, until = [], time.perf_counter() + SECONDS
    while len(times) < 3 or time.perf_counter() < until:
        start = time.perf_counter()
        step()
        times.append(time.perf_counter() - start)
    return 1e3 * min(times)


def arrays():
    """The batch of motions and captions that both sides work on."""
    rng = np.random.default_rng(0)
    return {
        "motion": rng.normal(size=(BATCH, FRAMES, JOINTS, 3)).astype(np.float32),
        "token_ids": rng.integers(1000, 30000, size=(BATCH, TOKENS)).astype(np.int32),
    }


def sign_arrays():
    """The batch of signing that both sides work on, with the states that a frozen text backbone gave."""
    rng = np.random.default_rng(0)
    return {
        "frames": rng.normal(size=(SIGN_BATCH, SIGN_FRAMES, SIGN_DIM)).astype(np.float32),
        "states": rng.normal(size=(SIGN_BATCH, TOKENS, STATES_DIM)).astype(np.float32),
        "noise": rng.normal(size=(SIGN_BATCH, SIGN_FRAMES, NOISE_DIM)).astype(np.float32),
    }


def videos():
    """Videos that fill their batch, as features of frames, and the embeddings of their labels' descriptions."""
    rng = np.random.default_rng(0)
    embeddings = rng.normal(size=(NUM_LABELS, 384)).astype(np.float32)
    return {
        "features": rng.normal(size=(VIDEOS, VIDEO_FRAMES, VIDEO_DIM)).astype(np.float32),
        "labels": rng.integers(0, NUM_LABELS, size=(VIDEOS, VIDEO_FRAMES)).astype(np.int32),
        "embeddings": embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True),
    }


def frames():
    """Decoded frames of a video."""
    rng = np.random.default_rng(0)
    return rng.integers(256, size=(1, SEEN_FRAMES, FRAME_SIZE, FRAME_SIZE, 3), dtype=np.uint8)


def images():
    """Images as CLIP's vision tower takes them."""
    return np.random.default_rng(0).normal(size=(IMAGES, IMAGE_SIZE, IMAGE_SIZE, 3)).astype(np.float32)


def clips():
    """Clips as the features of their frames, and their classes."""
    rng = np.random.default_rng(0)
    return {
        "features": rng.normal(size=(CLIPS, CLIP_FRAMES, CLIP_DIM)).astype(np.float32),
        "labels": rng.integers(0, NUM_ACTIONS, CLIPS).astype(np.int32),
    }


def compared():
    """Anchors, positives and negatives as features of frames; the first two are also pairs, half of them alike."""
    rng = np.random.default_rng(0)
    return {
        "features": rng.normal(size=(3, PAIRS, PAIR_FRAMES, PAIR_DIM)).astype(np.float32),
        "labels": (np.arange(PAIRS) % 2).astype(np.float32),
    }


def gallery():
    """Embeddings of unit norm to search in."""
    rows = np.random.default_rng(0).normal(size=(GALLERY, 256)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)
