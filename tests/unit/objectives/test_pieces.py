import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxmm.errors import ConfigError
from jaxmm.objectives.pieces import join_rows, split_rows


@settings(deadline=None, max_examples=20)
@given(size=st.integers(1, 4), num_pieces=st.integers(1, 4))
def test_joining_is_the_inverse_of_splitting(size, num_pieces):
    rows = {"a": jnp.arange(size * num_pieces), "b": jnp.arange(size * num_pieces * 6.0).reshape(-1, 2, 3)}
    pieces = split_rows(rows, num_pieces)
    assert pieces["b"].shape == (num_pieces, size, 2, 3)
    np.testing.assert_array_equal(pieces["a"][0], np.arange(0, size * num_pieces, num_pieces))
    for name, joined in join_rows(pieces).items():
        np.testing.assert_array_equal(joined, rows[name])


@pytest.mark.parametrize("num_pieces", [0, -1, 3, 8])
def test_unequal_pieces_are_refused(num_pieces):
    with pytest.raises(ConfigError, match=f"a batch of 4 rows cannot be cut into {num_pieces} equal pieces"):
        split_rows(jnp.arange(4), num_pieces)
