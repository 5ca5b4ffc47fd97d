import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxmm.objectives.reduce import masked_mean
from jaxmm.objectives.regression import change, motion_errors, smooth_l1


def losses(made, real, mask):
    return [float(masked_mean(errors, valid)) for errors, valid in motion_errors(made, real, mask)]


@pytest.fixture
def clips():
    made, real = jax.random.normal(jax.random.key(0), (2, 2, 7, 3))
    mask = jnp.arange(7)[None, :, None] < jnp.array([7, 4])[:, None, None]
    return made, real, jnp.broadcast_to(mask, made.shape)


def test_padding_changes_no_loss_even_where_it_is_not_a_number(clips):
    """D4, D5: no difference crosses the end of a clip."""
    made, real, mask = clips
    other = losses(jnp.where(mask, made, jnp.nan), jnp.where(mask, real, 1e30), mask)
    np.testing.assert_allclose(other, losses(made, real, mask), rtol=1e-6)
    grads = jax.grad(lambda made: sum(masked_mean(*part) for part in motion_errors(made, real, mask)))(
        jnp.where(mask, made, jnp.nan)
    )
    assert np.isfinite(np.where(mask, grads, 0)).all()


def test_each_loss_is_the_mean_over_what_is_known(clips):
    made, real, mask = clips
    found = losses(made, real, mask)
    differences = [np.asarray(made - real)[0], np.asarray(made - real)[1, :4]]
    for order, value in enumerate(found):
        values = np.concatenate([np.diff(own, n=order, axis=0) for own in differences])
        assert value == pytest.approx(float(np.mean(smooth_l1(jnp.asarray(values)))), rel=1e-5)


def test_a_landmark_that_was_not_seen_counts_nowhere(clips):
    made, real, mask = clips
    hidden = mask.at[0, 2, 1].set(False)
    assert losses(made.at[0, 2, 1].add(9.0), real, hidden) == losses(made, real, hidden)
    assert losses(made.at[0, 2, 0].add(9.0), real, hidden) != losses(made, real, hidden)


def test_a_velocity_needs_both_frames():
    values = jnp.arange(5.0).reshape(1, 5, 1) ** 2
    mask = jnp.array([True, True, False, True, True]).reshape(1, 5, 1)
    moved, both = change(values, mask)
    assert both[0, :, 0].tolist() == [True, False, False, True]
    assert moved[0, :, 0].tolist() == [1, 0, 0, 7]
