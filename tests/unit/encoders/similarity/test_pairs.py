import functools
import typing

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxmm.encoders.similarity.pairs import PairHead, PairKind, embed_together, pair_distance
from jaxmm.errors import ConfigError

KINDS = typing.get_args(PairKind)
BATCH, DIM = 3, 4


def pairs():
    return jnp.asarray(np.random.default_rng(0).normal(size=(2, BATCH, DIM)).astype(np.float32))


def head_of(kind):
    return PairHead(kind=kind, hidden_dims=(6, 5))


@functools.cache
def logits(kind):
    head = head_of(kind)
    variables = head.init(jax.random.key(0), *pairs(), deterministic=True)
    return jax.jit(lambda a, b: head.apply(variables, a, b, deterministic=True))


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_gives_a_logit_a_pair_and_finite_gradients_of_equal_embeddings(kind):
    a, b = pairs()
    assert logits(kind)(a, b).shape == (BATCH,)
    np.testing.assert_allclose(logits(kind)(a[:1], b[:1]), logits(kind)(a, b)[:1], atol=1e-6)
    for other in (a, a - np.float32(1e-6), jnp.zeros_like(a)):
        slopes = jax.jit(jax.grad(lambda a, b: logits(kind)(a, b).sum(), argnums=(0, 1)))(a, other)
        assert np.isfinite(slopes).all()


@pytest.mark.parametrize("kind", ["cosine", "euclidean"])
def test_the_more_alike_the_higher(kind):
    a, b = pairs()
    nearer = [logits(kind)(a, a + step * (b - a)) for step in (np.float32(0), np.float32(0.5), np.float32(1))]
    assert (np.diff(nearer, axis=0) < 0).all()


def test_scaled_heads_start_as_said():
    a, b = pairs()
    cosine = (a * b).sum(axis=1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
    np.testing.assert_allclose(logits("cosine")(a, b), 10 * cosine, atol=1e-5)
    np.testing.assert_allclose(logits("euclidean")(a, b), 1 - np.linalg.norm(a - b, axis=1), atol=1e-5)


def test_both_orders_are_averaged():
    a, b = pairs()
    head = head_of("concatenation").clone(both_orders=True)
    variables = head.init(jax.random.key(0), a, b, deterministic=True)
    found, turned = (head.apply(variables, *own, deterministic=True) for own in ((a, b), (b, a)))
    single = functools.partial(head.clone(both_orders=False).apply, variables, deterministic=True)
    np.testing.assert_allclose(found, (single(a, b) + single(b, a)) / 2, atol=1e-6)
    np.testing.assert_allclose(found, turned, atol=1e-6)


def test_settings_that_mean_nothing_are_refused():
    for head, message in (
        (PairHead(both_orders=True), "head.both_orders is for 'concatenation'"),
        (PairHead(kind="cosine", both_orders=True), "'cosine' has the same answer in both"),
    ):
        with pytest.raises(ConfigError, match=message):
            head.init(jax.random.key(0), *pairs(), deterministic=True)


def test_the_distance_of_what_cancels_the_shift_is_zero_with_a_finite_gradient():
    a = jnp.zeros((1, DIM))
    value, slope = jax.value_and_grad(lambda a: pair_distance(a, jnp.full((1, DIM), 1e-6))[0])(a)
    assert value == 0
    assert np.isfinite(slope).all()


def test_roles_are_embedded_in_one_call_row_beside_row():
    seen = []

    def embed(frames, mask):
        seen.append(frames.shape)
        return jnp.where(mask[..., None], frames, 0).sum(axis=1)

    rng = np.random.default_rng(0)
    roles = [
        (jnp.asarray(rng.normal(size=(BATCH, time, DIM)), jnp.float32), jnp.ones((BATCH, time), bool))
        for time in (5, 2, 3)
    ]
    found = embed_together(embed, *roles)
    assert seen == [(3 * BATCH, 5, DIM)]
    for own, (frames, _) in zip(found, roles, strict=True):
        np.testing.assert_allclose(own, frames.sum(axis=1), atol=1e-5)
