import jax
import jax.numpy as jnp
import numpy as np

from jaxmm.objectives.adversarial import gradient_penalty, hinge_critic, hinge_generator


def test_critic_and_generator_want_different_things():
    """D6: two functions; what pleases the one costs the other."""
    real, made = jnp.array([0.5, 2.0]), jnp.array([-0.5, 3.0])
    np.testing.assert_allclose(hinge_critic(real, made), [1.0, 4.0])
    np.testing.assert_allclose(hinge_generator(made), [0.5, -3.0])
    assert (jax.grad(lambda made: hinge_critic(real, made).sum())(made) > 0).all()
    assert (jax.grad(lambda made: hinge_generator(made).sum())(made) < 0).all()


def test_scores_beyond_the_margin_cost_the_critic_nothing():
    assert hinge_critic(jnp.array([1.5]), jnp.array([-1.5])).tolist() == [0.0]


def test_the_penalty_is_half_the_squared_slope_of_each_clip():
    weights = jax.random.normal(jax.random.key(0), (3, 4, 2))
    clips = jnp.zeros((3, 4, 2))
    found = gradient_penalty(lambda frames: (weights * frames).sum(axis=(1, 2)), clips)
    np.testing.assert_allclose(found, 0.5 * np.square(weights).sum(axis=(1, 2)), rtol=1e-6)
