import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxmm.objectives.alignment import alignment_losses, cosine

FEATURES = jnp.array([[3.0, 4.0], [0.0, 2.0], [-1.0, 0.0], [0.5, 0.0]])
TARGETS = jnp.array([[3.0, 4.0], [1.0, 0.0], [1.0, 0.0], [1.0, 0.0]])
# One less the cosine, half the squared distance, and half the sum of what is quadratic below one and linear beyond.
BY_HAND = {
    "cosine": [0.0, 1.0, 2.0, 0.0],
    "mse": [0.0, 2.5, 2.0, 0.125],
    "smooth_l1": [0.0, (0.5 + 1.5) / 2, 1.5 / 2, 0.125 / 2],
}


@pytest.mark.parametrize("loss", BY_HAND)
def test_losses_of_frames_by_hand(loss):
    np.testing.assert_allclose(alignment_losses(FEATURES, TARGETS, loss=loss), BY_HAND[loss], atol=1e-6)


@pytest.mark.parametrize("alpha", [0.0, 0.7, 1.0])
def test_adaptive_is_direction_and_size_in_their_shares(alpha):
    expected = alpha * np.array(BY_HAND["cosine"]) + (1 - alpha) * np.array(BY_HAND["mse"])
    np.testing.assert_allclose(alignment_losses(FEATURES, TARGETS, alpha=alpha), expected, atol=1e-6)
    if alpha == 0.7:
        np.testing.assert_allclose(alignment_losses(FEATURES, TARGETS), expected, atol=1e-6)


def test_losses_keep_any_leading_axes():
    features, targets = (jnp.reshape(rows, (2, 2, 2)) for rows in (FEATURES, TARGETS))
    flat = alignment_losses(FEATURES, TARGETS)
    np.testing.assert_array_equal(alignment_losses(features, targets), jnp.reshape(flat, (2, 2)))
    assert alignment_losses(FEATURES[0], TARGETS[0]).shape == ()


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
def test_cosine_forgets_lengths(scale):
    rng = np.random.default_rng(0)
    one, other = (jnp.asarray(rng.normal(size=(20, 7)).astype(np.float32)) for _ in range(2))
    np.testing.assert_allclose(cosine(scale * one, other), cosine(one, other), atol=1e-5)
    np.testing.assert_allclose(cosine(one, -scale * one), -1, atol=1e-5)


def test_a_zero_vector_has_cosine_zero_and_a_finite_gradient():
    zero, other = jnp.zeros(3), jnp.array([1.0, 2.0, 2.0])
    for one, two in ((zero, other), (other, zero), (zero, zero)):
        value, gradients = jax.value_and_grad(cosine, argnums=(0, 1))(one, two)
        assert float(value) == 0.0
        assert np.isfinite(gradients).all()


def test_cosine_pulls_only_across_the_vector():
    one, other = jnp.array([2.0, 0.0]), jnp.array([3.0, 4.0])
    gradient = jax.grad(cosine)(one, other)
    np.testing.assert_allclose(gradient, [0.0, 0.4], atol=1e-6)
