"""Embedding motions of any length in batches of one size."""

import jax.numpy as jnp
import numpy as np
import pytest

from jaxmm import MotionText, Numerics
from jaxmm.data.text import CaptionTokenizer
from jaxmm.motions.embeddings import Embedder


class FirstFrame:
    """Embeds a motion as the direction of its first joint in its first frame."""

    numerics = Numerics()

    def embed_motion(self, params, collections, batch):
        place = batch["motion"][:, 0, 0]
        return place / jnp.linalg.norm(place, axis=1, keepdims=True)

    def embed_text(self, params, collections, batch):
        return jnp.ones((len(batch["token_ids"]), 3)) / jnp.sqrt(3.0)


@pytest.fixture(scope="module")
def embedder():
    tokenizer = CaptionTokenizer.of_words(["a walk"], max_tokens=4)
    return Embedder(FirstFrame(), MotionText(num_frames=2, batch_size=4), tokenizer)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def windows(rng, *counts):
    return [[rng.normal(size=(2, 5, 3)).astype(np.float32) for _ in range(count)] for count in counts]


def direction(window):
    return window[0, 0] / np.linalg.norm(window[0, 0])


@pytest.mark.parametrize("counts", [(3, 1, 9, 1), (1, 1, 2), (8,), (2, 2, 2, 2, 2)])
def test_the_embedding_of_a_motion_is_the_mean_direction_of_its_windows(counts, embedder, rng):
    motions = windows(rng, *counts)
    found = embedder.motions({}, {}, iter(motions))
    for row, own in zip(found, motions, strict=True):
        mean = np.mean([direction(window) for window in own], axis=0)
        np.testing.assert_allclose(row, mean / np.linalg.norm(mean), rtol=0, atol=1e-6)


def test_a_motion_of_one_window_is_embedded_as_if_no_other_had_more(embedder, rng):
    motions = windows(rng, 1, 1, 1)
    alone = embedder.motions({}, {}, motions)
    np.testing.assert_array_equal(embedder.motions({}, {}, [*motions, *windows(rng, 3)])[:3], alone)


def test_windows_that_cancel_give_a_finite_embedding(embedder):
    window = np.ones((2, 5, 3), np.float32)
    assert np.isfinite(embedder.motions({}, {}, [[window, -window]])).all()
