import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxmm.objectives.segmentation import segmentation_losses

LABELS = jnp.array([[0, 0, 1]])
WHOLE = jnp.ones((1, 3), bool)


def logits_of(*probabilities):
    """Logits of one video by the probability of label 1 in each frame, of two."""
    sure = np.array(probabilities, np.float32)
    return jnp.log(jnp.asarray(np.stack([1 - sure, sure], axis=-1)[None]))


def test_without_smoothing_it_is_the_mean_surprise():
    loss = segmentation_losses(logits_of(0.2, 0.5, 0.9), LABELS, WHOLE, smoothing=0.0)
    assert float(loss[0]) == pytest.approx(-np.log([0.8, 0.5, 0.9]).mean(), rel=1e-5)


def test_smoothing_counts_the_mean_squared_change_of_log_probabilities():
    logits, rates = logits_of(0.2, 0.5, 0.9), np.array([[0.8, 0.2], [0.5, 0.5], [0.1, 0.9]])
    plain, smooth = (segmentation_losses(logits, LABELS, WHOLE, smoothing=share) for share in (0.0, 2.0))
    expected = 2.0 * np.square(np.diff(np.log(rates), axis=0)).mean()
    assert float((smooth - plain)[0]) == pytest.approx(expected, rel=1e-5)


def test_a_change_beyond_four_counts_as_four_and_has_no_gradient():
    logits = logits_of(1e-6, 1 - 1e-6, 0.5)

    def change(logits):
        parts = (segmentation_losses(logits, LABELS[:, :2], WHOLE[:, :2], smoothing=share)[0] for share in (1.0, 0.0))
        return next(parts) - next(parts)

    value, gradient = jax.value_and_grad(change)(logits[:, :2])
    assert float(value) == pytest.approx(16.0, rel=1e-5)
    np.testing.assert_allclose(gradient, 0, atol=1e-6)


def test_the_earlier_frame_of_a_pair_has_no_gradient_of_its_change():
    def change(logits):
        both = (segmentation_losses(logits, LABELS[:, :2], WHOLE[:, :2], smoothing=share)[0] for share in (1.0, 0.0))
        return next(both) - next(both)

    gradient = jax.grad(change)(logits_of(0.3, 0.6))
    assert np.abs(gradient[0, 1]).max() > 0.1
    np.testing.assert_allclose(gradient[0, 0], 0, atol=1e-6)


def test_frames_behind_the_mask_count_in_nothing():
    logits = jnp.concatenate([logits_of(0.2, 0.5, 0.9), jnp.array([[[50.0, -50.0], [-1e6, 9.0]]])], axis=1)
    labels, mask = jnp.array([[0, 0, 1, 1, 0]]), jnp.array([[True, True, True, False, False]])
    expected = segmentation_losses(logits[:, :3], LABELS, WHOLE)
    np.testing.assert_allclose(segmentation_losses(logits, labels, mask), expected, rtol=1e-6)
    gradient = jax.grad(lambda logits: segmentation_losses(logits, labels, mask).sum())(logits)
    assert np.abs(gradient[0, :3]).max() > 0.1
    assert not np.abs(gradient[0, 3:]).any()


def test_no_change_crosses_a_hidden_frame():
    logits = jnp.concatenate([logits_of(0.1, 0.1), logits_of(0.9, 0.9)], axis=1)
    labels, mask = jnp.array([[0, 0, 1, 1]]), jnp.array([[True, False, True, True]])
    smooth, plain = (segmentation_losses(logits, labels, mask, smoothing=share) for share in (1.0, 0.0))
    np.testing.assert_allclose(smooth, plain, atol=1e-6)


def test_one_frame_and_none_have_losses_too():
    logits, labels = jnp.tile(logits_of(0.2, 0.5), (2, 1, 1)), jnp.zeros((2, 2), int)
    losses = segmentation_losses(logits, labels, jnp.array([[True, False], [False, False]]))
    np.testing.assert_allclose(losses, [-np.log(0.8), 0.0], atol=1e-6)
    np.testing.assert_allclose(segmentation_losses(logits[:, :1], labels[:, :1], jnp.ones((2, 1), bool)), -np.log(0.8))
