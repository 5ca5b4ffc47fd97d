import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxmm.errors import ConfigError
from jaxmm.generators.lengths import LengthBins, LengthHead


def test_every_bin_is_the_nearest_to_its_own_length():
    """D2, for all 96 bins of the seed."""
    bins, every = LengthBins(), jnp.arange(96)
    assert bins.count == 96
    np.testing.assert_array_equal(bins.nearest(bins.frames(every)), every)
    np.testing.assert_array_equal(bins.frames(every), range(10, 201, 2))


@given(st.integers(1, 20), st.integers(1, 7), st.integers(1, 30), st.integers(-5, 300))
def test_the_nearest_bin_is_the_nearest(shortest, step, count, length):
    bins = LengthBins(shortest=shortest, longest=shortest + step * (count - 1), step=step)
    lengths = np.arange(shortest, bins.longest + 1, step)
    wanted = int(np.abs(lengths - length).argmin())  # the first of two equally near is the shorter
    assert int(bins.nearest(jnp.int32(length))) == wanted


def test_bins_beyond_the_longest_clip_cannot_be_chosen():
    """D3."""
    bins = LengthBins()
    logits = jnp.arange(96.0)[None] * jnp.ones((2, 1))
    chosen = bins.frames(bins.reachable(logits, max_frames=128).argmax(axis=-1))
    assert chosen.tolist() == [128, 128]
    assert np.isfinite(bins.reachable(logits, max_frames=200)).all()
    with pytest.raises(ConfigError, match="no length bin is 9 frames or less; the shortest is 10"):
        bins.reachable(logits, max_frames=9)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"shortest": 0}, "give 1 <= shortest"),
        ({"longest": 9}, "give 1 <= shortest"),
        ({"step": 0}, "a step of 1 or more"),
        ({"longest": 201}, "never meet 201 in steps of 2"),
    ],
)
def test_bins_that_do_not_fit_are_refused(fields, message):
    with pytest.raises(ConfigError, match=message):
        LengthBins(**fields)


def test_the_head_has_the_seeds_size():
    shapes = jax.eval_shape(LengthHead(num_bins=96).init, jax.random.key(0), jnp.zeros((1, 256)))
    assert sum(leaf.size for leaf in jax.tree.leaves(shapes)) == 90_464
