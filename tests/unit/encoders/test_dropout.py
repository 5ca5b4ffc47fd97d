import functools
import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn
from hypothesis import given, settings
from hypothesis import strategies as st
from jax.sharding import NamedSharding, PartitionSpec

from jaxmm.encoders.dropout import Dropout, keep_mask
from jaxmm.errors import ConfigError
from jaxmm.train.step import Devices, make_mesh

ROWS, COLUMNS = 512, 2048
RATES = (0.1, 0.5, 0.9)
SIGMAS = 5  # about one false alarm in 1.7 million comparisons


@functools.partial(jax.jit, static_argnames=("rate", "shape"))
def masks(seeds, rate, shape=(ROWS, COLUMNS)):
    return jax.vmap(lambda seed: keep_mask(jax.random.key(seed), rate=rate, shape=shape))(seeds)


def keep_mask_of(seed, rate, shape=(ROWS, COLUMNS)):
    return np.asarray(masks(jnp.array([seed]), rate, shape)[0])


def assert_uncorrelated(a, b):
    """Checks that two parts of masks are no more alike than independent ones, whose correlation is N(0, 1/n)."""
    correlation = np.corrcoef(np.ravel(a).astype(np.float64), np.ravel(b).astype(np.float64))[0, 1]
    assert abs(correlation) < SIGMAS / math.sqrt(a.size)


@pytest.mark.parametrize("rate", (0.001, *RATES, 0.999))
@pytest.mark.parametrize("seed", range(4))
def test_the_share_of_zeros_is_binomial(rate, seed):
    num_dropped = ROWS * COLUMNS - keep_mask_of(seed, rate).sum()
    deviation = math.sqrt(ROWS * COLUMNS * rate * (1 - rate))
    assert abs(num_dropped - ROWS * COLUMNS * rate) < SIGMAS * deviation


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("rate", RATES)
def test_rows_and_columns_have_the_spread_of_independent_elements(rate, axis):
    mask = keep_mask_of(7, rate)
    sums, length = mask.sum(axis), mask.shape[axis]
    chi_squared = ((sums - length * (1 - rate)) ** 2).sum() / (length * rate * (1 - rate))
    degrees = len(sums)
    assert abs(chi_squared - degrees) < SIGMAS * math.sqrt(2 * degrees)


@pytest.mark.parametrize("rate", RATES)
def test_places_at_any_distance_are_uncorrelated(rate):
    flat = keep_mask_of(3, rate).ravel()
    for lag in (*range(1, 65), *(2**power + offset for power in range(7, 20) for offset in (-1, 0, 1))):
        assert_uncorrelated(flat[lag:], flat[:-lag])


@pytest.mark.parametrize("rate", RATES)
def test_places_whose_numbers_differ_in_one_bit_are_uncorrelated(rate):
    flat = keep_mask_of(4, rate).ravel()
    places = np.arange(flat.size)
    for power in range(20):
        lower = places[places & (1 << power) == 0]
        assert_uncorrelated(flat[lower], flat[lower | (1 << power)])


@pytest.mark.parametrize("rate", RATES)
def test_pairs_of_rows_and_of_columns_are_uncorrelated(rate):
    mask = keep_mask_of(5, rate)
    for one in (mask[:64], mask[:, :64].T):
        correlations = np.corrcoef(one.astype(np.float64))[np.triu_indices(64, 1)]
        assert np.abs(correlations).max() < 5.5 / math.sqrt(one.shape[1])
        assert abs((correlations**2).mean() * one.shape[1] - 1) < 0.2


def test_runs_of_eight_take_every_pattern_equally_often():
    patterns = np.packbits(keep_mask_of(6, 0.5).ravel())
    expected = patterns.size / 256
    chi_squared = ((np.bincount(patterns, minlength=256) - expected) ** 2).sum() / expected
    assert abs(chi_squared - 255) < SIGMAS * math.sqrt(2 * 255)


@pytest.mark.parametrize("rate", RATES)
def test_seeds_are_uncorrelated_and_an_elements_zeros_over_seeds_are_binomial(rate):
    many = np.asarray(masks(jnp.arange(512), rate, (64, 64)))
    for one, other in itertools.pairwise(many):
        assert_uncorrelated(one, other)
    sums = many.sum(0)
    chi_squared = ((sums - 512 * (1 - rate)) ** 2).sum() / (512 * rate * (1 - rate))
    assert abs(chi_squared - sums.size) < SIGMAS * math.sqrt(2 * sums.size)


@pytest.mark.parametrize("rate", RATES)
def test_steps_of_training_and_layers_of_a_model_are_uncorrelated(rate):
    """Keys as training makes them: one split a step, then Linen's folding of the layer's path."""

    class Two(nn.Module):
        @nn.compact
        def __call__(self, x):
            return Dropout(rate)(x, deterministic=False), Dropout(rate)(x, deterministic=False)

    def step(key, _):
        key, own = jax.random.split(key)
        return key, jnp.stack(Two().apply({}, jnp.ones((128, 256)), rngs={"dropout": own})) > 0

    steps = np.asarray(jax.jit(lambda: jax.lax.scan(step, jax.random.key(0), length=32)[1])())
    for before, after in itertools.pairwise(steps):
        assert_uncorrelated(before, after)
    assert_uncorrelated(steps[:, 0], steps[:, 1])
    # Nor is one mask another one shifted, or read with some bits of the places exchanged.
    for shift in (1, 2, 4, 8, 256):
        assert_uncorrelated(np.roll(steps[:-1], shift, axis=-1), steps[1:])


@pytest.mark.parametrize("rate", RATES)
def test_the_expectation_is_preserved(rate):
    x = jnp.linspace(-1, 3, 64)
    keys = jax.random.split(jax.random.key(0), 20_000)
    drop = jax.jit(jax.vmap(lambda key: Dropout(rate).apply({}, x, deterministic=False, rngs={"dropout": key})))
    deviation = np.abs(x) * math.sqrt(rate / (1 - rate) / len(keys))
    assert (np.abs(np.asarray(drop(keys), np.float64).mean(0) - x) <= SIGMAS * deviation + 1e-6).all()


@settings(max_examples=20, deadline=None)
@given(rate=st.floats(0.01, 0.95), seed=st.integers(0, 2**32 - 1))
def test_the_gradient_is_the_mask_times_the_scale(rate, seed):
    x = jax.random.normal(jax.random.key(1), (3, 5, 7))
    out_bar = jax.random.normal(jax.random.key(2), (3, 5, 7))
    key = jax.random.key(seed)
    out, pull = jax.vjp(lambda x: Dropout(rate).apply({}, x, deterministic=False, rngs={"dropout": key}), x)
    kept = np.asarray(out) != 0
    np.testing.assert_allclose(out, np.where(kept, x / (1 - rate), 0), rtol=1e-6)
    np.testing.assert_allclose(pull(out_bar)[0], np.where(kept, out_bar / (1 - rate), 0), rtol=1e-6)


@pytest.mark.parametrize(("rate", "deterministic"), [(0.0, False), (0.0, True), (0.7, True)])
def test_it_is_the_identity_at_rate_zero_and_when_deterministic(rate, deterministic):
    x = jax.random.normal(jax.random.key(1), (4, 4))
    assert Dropout(rate).apply({}, x, deterministic=deterministic) is x


def test_an_element_keeps_its_fate_in_every_shape_of_the_same_order():
    flat = keep_mask_of(0, 0.5, (24,))
    for shape in ((4, 6), (2, 3, 4), (24, 1), (1, 2, 12)):
        np.testing.assert_array_equal(keep_mask_of(0, 0.5, shape).ravel(), flat)


def test_the_same_elements_fall_on_one_device_and_on_eight():
    if jax.device_count() < 8:
        pytest.skip(f"needs 8 devices, real or virtual; JAX has {jax.device_count()}")
    x = np.random.default_rng(0).normal(size=(16, 8, 24)).astype(np.float32)
    mesh = make_mesh(Devices(num_devices=8))

    @jax.jit
    def drop(x):
        run = functools.partial(Dropout(0.3).apply, {}, deterministic=False, rngs={"dropout": jax.random.key(4)})
        return jax.value_and_grad(lambda x: (run(x) ** 2).sum())(x), run(x)

    alone = jax.device_get(drop(jnp.asarray(x)))
    for split in (PartitionSpec("data"), PartitionSpec(None, "data"), PartitionSpec(None, None, "data")):
        shared = jax.device_get(jax.block_until_ready(drop(jax.device_put(x, NamedSharding(mesh, split)))))
        np.testing.assert_array_equal(shared[1], alone[1])
        np.testing.assert_array_equal(shared[0][1], alone[0][1])


@pytest.mark.parametrize("rate", [-0.1, 1.0, 1.5])
def test_a_rate_out_of_range_is_refused(rate):
    with pytest.raises(ConfigError, match=rf"dropout_rate is {rate}; give a probability from 0 to below 1"):
        Dropout(rate).apply({}, jnp.ones(3), deterministic=True)


def test_arrays_whose_places_do_not_fit_in_32_bits_are_refused():
    def mask(*shape):
        return jax.eval_shape(functools.partial(keep_mask, rate=0.5, shape=shape), jax.random.key(0))

    assert mask(2**16, 2**16).shape == (2**16, 2**16)
    with pytest.raises(ConfigError, match=r"shape \(65536, 65537\): it has more than 2\*\*32 elements"):
        mask(2**16, 2**16 + 1)


def test_half_precision_stays():
    out = Dropout(0.5).apply({}, jnp.ones(8, jnp.bfloat16), deterministic=False, rngs={"dropout": jax.random.key(0)})
    assert out.dtype == jnp.bfloat16
