import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxmm.errors import ConfigError
from jaxmm.generators.lengths import LengthBins
from jaxmm.generators.sign import SignGenerator

TINY = SignGenerator(
    frame_dim=12,
    hidden_dim=8,
    num_layers=2,
    num_heads=2,
    noise_dim=4,
    max_frames=10,
    num_signers=3,
    lengths=LengthBins(shortest=2, longest=10),
)
SEEDLIKE = TINY.clone(noise="frame", self_attention=False, progress_dim=0, num_landmarks=0, num_signers=0)
MODULES = pytest.mark.parametrize("module", [TINY, SEEDLIKE], ids=["corrected", "seed"])
MASK = jnp.array([[True] * 10, [True] * 6 + [False] * 4])
TEXT_MASK = jnp.array([[True, True, False], [True, True, True]])


def inputs(module, seed=0):
    text_key, noise_key = jax.random.split(jax.random.key(seed))
    return {
        "text": jax.random.normal(text_key, (2, 3, 8)),
        "text_mask": TEXT_MASK,
        "frame_mask": MASK,
        "noise": module.draw_noise(noise_key, batch=2),
        "signer": jnp.array([0, 2]),
    }


def made_by(module, **changes):
    start = inputs(module)
    variables = module.init(jax.random.key(1), **start)
    return module.apply(variables, **{**start, **changes})


@MODULES
def test_padding_changes_no_frame_of_a_clip(module):
    """D4: neither tokens nor frames behind a mask are read."""
    start = inputs(module)
    noise = start["noise"]
    if module.noise == "frame":
        noise = noise.at[1, 6:].set(50.0)
    changed = made_by(module, text=start["text"].at[0, 2].set(100.0), noise=noise)
    whole = made_by(module)
    np.testing.assert_allclose(changed.frames[0], whole.frames[0], atol=1e-6)
    np.testing.assert_allclose(changed.frames[1, :6], whole.frames[1, :6], atol=1e-6)
    np.testing.assert_allclose(changed.length_logits, whole.length_logits, atol=1e-6)


def test_a_clip_has_one_noise_unless_each_frame_has_its_own():
    """D9."""
    assert TINY.draw_noise(jax.random.key(0), batch=2).shape == (2, 1, 4)
    assert SEEDLIKE.draw_noise(jax.random.key(0), batch=2).shape == (2, 10, 4)
    with pytest.raises(ConfigError, match="draw it with draw_noise"):
        made_by(TINY, noise=jnp.zeros((2, 10, 4)))


def test_the_place_in_a_clip_depends_on_its_length():
    shorter = MASK.at[0, 5:].set(False)
    alone = TINY.clone(self_attention=False)
    assert np.abs(made_by(alone, frame_mask=shorter).frames[0, :5] - made_by(alone).frames[0, :5]).max() > 1e-3
    np.testing.assert_allclose(
        made_by(SEEDLIKE, frame_mask=shorter).frames[0, :5], made_by(SEEDLIKE).frames[0, :5], atol=1e-6
    )


def test_signers_sign_in_ways_of_their_own():
    assert np.abs(made_by(TINY, signer=jnp.array([1, 2])).frames[0] - made_by(TINY).frames[0]).max() > 1e-3
    np.testing.assert_array_equal(made_by(SEEDLIKE, signer=jnp.array([1, 1])).frames, made_by(SEEDLIKE).frames)


@MODULES
def test_what_is_made_has_the_shapes_it_says(module):
    made = made_by(module)
    assert made.frames.shape == (2, 10, 12)
    assert made.length_logits.shape == (2, 5)
    assert made.detected_logits.shape == (2, 10, module.num_landmarks)


def test_every_parameter_has_a_gradient():
    start = inputs(TINY)
    variables = TINY.init(jax.random.key(1), **start)

    def total(variables):
        return sum(jnp.square(part).sum() for part in TINY.apply(variables, **start))

    grads = jax.tree_util.tree_leaves_with_path(jax.grad(total)(variables))
    # On the bias of the keys nothing depends: it adds the same to all scores of a query.
    still = [jax.tree_util.keystr(path) for path, grad in grads if np.abs(grad).max() < 1e-5]
    assert all("'key']['bias']" in path for path in still)
