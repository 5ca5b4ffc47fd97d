import jax.numpy as jnp
import numpy as np
import pytest

from jaxmm.encoders.similarity.windows import doubled, halved, windows


@pytest.mark.parametrize("time", [1, 2, 5])
def test_windows_hold_every_frame_once_and_zeros(time):
    x = jnp.asarray(np.random.default_rng(0).normal(size=(2, time, 3)), jnp.float32)
    mask = jnp.array([[True] * time, [True] + [False] * (time - 1)])
    parts, seen = windows(jnp.where(mask[..., None], x, jnp.nan), mask, 4)
    flat = np.asarray(parts).reshape(2, -1, 3)
    np.testing.assert_array_equal(flat[np.asarray(seen).reshape(2, -1)], np.asarray(x)[np.asarray(mask)])
    assert not flat[~np.asarray(seen).reshape(2, -1)].any()


def test_half_of_an_odd_number_keeps_the_last_frame_and_twice_as_many_fit_again():
    x, mask = jnp.arange(5.0).reshape(1, 5, 1), jnp.array([[True, True, True, False, False]])
    half, seen = halved(x, mask)
    assert half[0, :, 0].tolist() == [0.5, 2.0, 0.0]
    assert seen[0].tolist() == [True, True, False]
    assert doubled(half, 5)[0, :, 0].tolist() == [0.5, 0.5, 2.0, 2.0, 0.0]
