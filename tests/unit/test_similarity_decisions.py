"""One test for each decision about video similarity: each fails if the mistake of seed 003 came back.

Those of modules are here: D1 to D6.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from jaxmm.encoders.similarity import EmbeddingTrunk, MultiScaleEncoder, PairHead, PooledTrunk, SiameseNetwork
from jaxmm.encoders.similarity.pairs import pair_distance

BATCH, TIME, DIM = 4, 3, 5
NETWORK = SiameseNetwork(
    encoder=PooledTrunk(trunk=EmbeddingTrunk(hidden_dims=(6,), embedding_dim=4, batch_norm=True)),
    head=PairHead(hidden_dims=(6,)),
)
MASK = jnp.ones((BATCH, TIME), bool)


def videos():
    return jnp.asarray(np.random.default_rng(0).normal(size=(2, BATCH, TIME, DIM)).astype(np.float32))


@functools.cache
def variables():
    return NETWORK.init(jax.random.key(0), videos()[0], MASK, videos()[1], MASK, deterministic=True)


@functools.cache
def compiled():
    return jax.jit(functools.partial(NETWORK.apply, variables(), deterministic=True))


def answer(a, mask_a, b, mask_b):
    return compiled()(a, mask_a, b, mask_b)


def test_d1_a_siamese_network_returns_embeddings_and_score():
    a, b, logits = answer(videos()[0], MASK, videos()[1], MASK)
    assert a.shape == b.shape == (BATCH, 4)
    assert logits.shape == (BATCH,)
    head = {"params": variables()["params"]["head"]}
    np.testing.assert_allclose(NETWORK.head.apply(head, a, b, deterministic=True), logits, atol=1e-6)


def test_d2_a_batch_of_one_keeps_its_axis():
    whole = answer(videos()[0], MASK, videos()[1], MASK)
    alone = answer(videos()[0][:1], MASK[:1], videos()[1][:1], MASK[:1])
    for own, wanted in zip(alone, whole, strict=True):
        assert own.shape == (1, *wanted.shape[1:])
        np.testing.assert_allclose(own, wanted[:1], atol=1e-6)


def test_d3_the_default_score_does_not_tell_which_video_is_first():
    assert PairHead().kind == "difference_and_product"
    forwards, backwards = (answer(videos()[i], MASK, videos()[1 - i], MASK)[2] for i in (0, 1))
    np.testing.assert_array_equal(forwards, backwards)
    told = NETWORK.clone(head=PairHead(kind="concatenation", hidden_dims=(6,)))
    one, other = (told.apply(variables(), videos()[i], MASK, videos()[1 - i], MASK, deterministic=True) for i in (0, 1))
    assert np.abs(one[2] - other[2]).max() > 1e-4
    averaged = told.clone(head=told.head.clone(both_orders=True))
    found = averaged.apply(variables(), videos()[0], MASK, videos()[1], MASK, deterministic=True)[2]
    np.testing.assert_allclose(found, (one[2] + other[2]) / 2, atol=1e-6)


def test_d4_scales_longer_than_a_video_see_it_and_tails_are_not_dropped():
    encoder = MultiScaleEncoder(dim=4, trunk=EmbeddingTrunk(hidden_dims=(), embedding_dim=4))
    frames = jnp.asarray(np.random.default_rng(1).normal(size=(1, 5, DIM)).astype(np.float32))
    params = encoder.init(jax.random.key(0), frames, jnp.ones((1, 5), bool), deterministic=True)["params"]
    # Only the longest scale sees anything, and its rectifiers are open.
    blind = {scale: jax.tree.map(jnp.zeros_like, params[scale]) for scale in ("scale_1", "scale_2")}
    own = {**params, **blind, "scale_4": {**params["scale_4"], "bias": jnp.full(4, 9.0)}}

    @jax.jit
    @jax.grad
    def slope(x):
        return encoder.apply({"params": own}, x, jnp.ones(x.shape[:2], bool), deterministic=True).sum()

    for length in (1, 2, 5):
        assert (np.abs(slope(frames[:, :length])).max(axis=2) > 0).all()


def test_d5_batch_statistics_are_those_of_both_sides_together():
    a, b = videos()[0], videos()[1] + 3
    _, changed = NETWORK.apply(
        variables(), a, MASK, b, MASK, deterministic=False, mutable=["batch_stats"], rngs={"dropout": jax.random.key(0)}
    )
    hidden = jax.tree.map(np.asarray, variables()["params"]["encoder"]["trunk"]["hidden_0"])
    seen = np.concatenate([a, b]).mean(axis=1) @ hidden["kernel"] + hidden["bias"]
    found = changed["batch_stats"]["encoder"]["trunk"]["norm_0"]
    np.testing.assert_allclose(found["mean"], 0.1 * seen.mean(axis=0), atol=1e-5)
    np.testing.assert_allclose(found["var"], 0.9 + 0.1 * seen.var(axis=0, ddof=1), atol=1e-5)


def test_d6_distance_adds_to_the_difference_and_has_a_finite_gradient_at_zero():
    a = jnp.asarray(videos()[0, :, 0])
    np.testing.assert_allclose(pair_distance(a, a), np.full(BATCH, 1e-6 * DIM**0.5), rtol=1e-5)
    slope = jax.grad(lambda b: pair_distance(a, b).sum())(a)
    assert np.isfinite(slope).all()
    assert np.abs(slope).max() > 0
