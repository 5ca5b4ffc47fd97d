import jax
import jax.numpy as jnp
import numpy as np

from jaxmm.objectives.adversarial import gradient_penalty, hinge_critic


def test_scores_beyond_the_margin_cost_the_critic_nothing():
    assert hinge_critic(jnp.array([1.5]), jnp.array([-1.5])).tolist() == [0.0]


def test_the_penalty_is_half_the_squared_slope_of_each_clip():
    weights = jax.random.normal(jax.random.key(0), (3, 4, 2))
    clips = jnp.zeros((3, 4, 2))
    found = gradient_penalty(lambda frames: (weights * frames).sum(axis=(1, 2)), clips)
    np.testing.assert_allclose(found, 0.5 * np.square(weights).sum(axis=(1, 2)), rtol=1e-6)
