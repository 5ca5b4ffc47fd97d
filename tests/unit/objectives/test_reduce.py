import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxmm.objectives.reduce import masked_mean, mean_over_time, weighted_mean

rows = st.lists(st.tuples(st.floats(-1e3, 1e3, width=32), st.booleans()), min_size=1, max_size=6)


@settings(max_examples=25, deadline=None)
@given(rows)
def test_it_is_the_mean_of_the_valid_values_only(rows):
    values, mask = (np.array(column) for column in zip(*rows, strict=True))
    hidden = np.where(mask, values, np.nan).astype(np.float32)
    expected = values[mask].mean() if mask.any() else 0.0
    assert float(masked_mean(jnp.asarray(hidden), jnp.asarray(mask))) == pytest.approx(expected, rel=1e-4, abs=1e-3)


@pytest.mark.parametrize("behind", [float("nan"), float("inf"), 1e38])
def test_what_stands_behind_the_mask_reaches_no_gradient(behind):
    mask = jnp.array([True, False, True])
    gradient = jax.grad(lambda values: masked_mean(values, mask))(jnp.array([1.0, behind, 3.0]))
    assert gradient.tolist() == [0.5, 0.0, 0.5]


def test_values_of_any_shape_are_averaged_as_one():
    values = jnp.arange(6.0).reshape(2, 3)
    assert float(masked_mean(values, values > 2)) == 4.0
    assert float(masked_mean(jnp.float32(3), jnp.bool_(True))) == 3.0


def test_without_a_valid_value_mean_and_gradient_are_zero():
    mask = jnp.zeros(2, bool)
    value, gradient = jax.value_and_grad(lambda values: masked_mean(values, mask))(jnp.array([1.0, jnp.nan]))
    assert float(value) == 0.0
    assert gradient.tolist() == [0.0, 0.0]


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.floats(-1e3, 1e3, width=32), st.integers(0, 9)), min_size=1, max_size=6))
def test_a_weighted_mean_is_the_mean_of_all_that_is_counted(rows):
    values, counts = (np.array(column) for column in zip(*rows, strict=True))
    hidden = np.where(counts > 0, values, np.nan).astype(np.float32)
    expected = np.repeat(values, counts).mean() if counts.any() else 0.0
    found = weighted_mean(jnp.asarray(hidden), jnp.asarray(counts, jnp.int32))
    assert float(found) == pytest.approx(expected, rel=1e-4, abs=1e-3)


def test_equal_counts_of_examples_make_it_the_mean_over_examples():
    values, mask = jnp.array([1.0, 5.0, jnp.nan]), jnp.array([True, True, False])
    assert float(weighted_mean(values, mask.astype(jnp.int32))) == float(masked_mean(values, mask)) == 3.0


def test_what_is_not_counted_reaches_no_gradient():
    counts = jnp.array([3, 0, 1])
    gradient = jax.grad(lambda values: weighted_mean(values, counts))(jnp.array([1.0, jnp.nan, 3.0]))
    assert gradient.tolist() == [0.75, 0.0, 0.25]


def test_means_over_time_are_of_each_clip_and_their_weighted_mean_is_of_all_frames():
    values = jnp.array([[1.0, 2.0, jnp.inf], [7.0, jnp.nan, jnp.nan], [jnp.nan] * 3])
    mask = jnp.array([[True, True, False], [True, False, False], [False] * 3])
    means = mean_over_time(values, mask)
    assert means.tolist() == [1.5, 7.0, 0.0]
    assert float(weighted_mean(means, mask.sum(axis=1))) == pytest.approx(float(masked_mean(values, mask))) == 10 / 3
    gradient = jax.grad(lambda values: mean_over_time(values, mask).sum())(values)
    assert gradient.tolist() == [[0.5, 0.5, 0.0], [1.0, 0.0, 0.0], [0.0] * 3]
