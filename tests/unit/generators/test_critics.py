import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxmm.generators.critics import SignCritic


def score(critic, frames, mask, text):
    variables = critic.init(jax.random.key(1), jnp.zeros((1, 9, 6)), jnp.ones((1, 9), bool), jnp.zeros((1, 4)))
    return critic.apply(variables, frames, mask, text)


@pytest.fixture
def clip():
    frames_key, text_key = jax.random.split(jax.random.key(0))
    return jax.random.normal(frames_key, (1, 9, 6)), jax.random.normal(text_key, (1, 4))


@pytest.mark.parametrize("length", range(1, 10))
def test_a_padded_clip_scores_as_it_does_alone(length, clip):
    """D4: padding changes no score, whatever it holds."""
    (frames, text), critic = clip, SignCritic(base_dim=4, conditional=True)
    padded = frames.at[:, length:].set(1e4)
    alone = score(critic, frames[:, :length], jnp.ones((1, length), bool), text)
    np.testing.assert_allclose(score(critic, padded, jnp.arange(9)[None] < length, text), alone, rtol=1e-5, atol=1e-6)


def test_only_a_conditional_critic_reads_the_text(clip):
    frames, text = clip
    mask = jnp.ones((1, 9), bool)
    for conditional in (False, True):
        critic = SignCritic(base_dim=4, conditional=conditional)
        moved = np.abs(score(critic, frames, mask, text) - score(critic, frames, mask, -text)).max()
        assert (moved > 1e-4) == conditional


def test_a_clip_without_a_frame_has_a_finite_score(clip):
    frames, text = clip
    assert np.isfinite(score(SignCritic(base_dim=4), frames, jnp.zeros((1, 9), bool), text)).all()
