import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxmm.errors import ConfigError
from jaxmm.generators.lengths import LengthBins, LengthHead


@given(st.integers(1, 20), st.integers(1, 7), st.integers(1, 30), st.integers(-5, 300))
def test_the_nearest_bin_is_the_nearest(shortest, step, count, length):
    bins = LengthBins(shortest=shortest, longest=shortest + step * (count - 1), step=step)
    lengths = np.arange(shortest, bins.longest + 1, step)
    wanted = int(np.abs(lengths - length).argmin())  # the first of two equally near is the shorter
    assert int(bins.nearest(jnp.int32(length))) == wanted


def test_a_longest_clip_that_is_shorter_than_every_bin_is_refused():
    with pytest.raises(ConfigError, match="no length bin is 9 frames or less; the shortest is 10"):
        LengthBins().reachable(jnp.zeros(96), max_frames=9)


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
