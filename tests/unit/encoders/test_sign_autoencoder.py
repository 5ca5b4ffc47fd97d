import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxmm.encoders.sign_autoencoder import FRAMES_PER_CODE, SignAutoencoder

MODEL = SignAutoencoder(frame_dim=6, hidden_dim=8, code_dim=3)


def clip(num_frames, padded=None):
    frames = jax.random.normal(jax.random.key(num_frames), (1, num_frames, 6))
    spare = (padded or num_frames) - num_frames
    return jnp.pad(frames, ((0, 0), (0, spare), (0, 0))), jnp.arange(num_frames + spare)[None] < num_frames


@pytest.fixture(scope="module")
def variables():
    return MODEL.init(jax.random.key(0), *clip(8))


@pytest.mark.parametrize("num_frames", [1, 4, 5, 11])
def test_padding_changes_no_code_and_no_frame_whatever_it_holds(variables, num_frames):
    alone, mask = clip(num_frames)
    padded, padded_mask = clip(num_frames, 16)
    padded = jnp.where(padded_mask[..., None], padded, 7.0)
    codes, code_mask = MODEL.apply(variables, padded, padded_mask, method=MODEL.encode)
    expected, _ = MODEL.apply(variables, alone, mask, method=MODEL.encode)
    assert int(code_mask.sum()) == expected.shape[1] == -(-num_frames // FRAMES_PER_CODE)
    np.testing.assert_allclose(codes[code_mask], expected[0], atol=1e-6)
    made = MODEL.apply(variables, padded, padded_mask)
    np.testing.assert_allclose(made[:, :num_frames], MODEL.apply(variables, alone, mask), atol=1e-6)


def test_a_frame_reaches_the_codes_about_it_and_no_others(variables):
    frames, mask = clip(40)
    codes, _ = MODEL.apply(variables, frames, mask, method=MODEL.encode)
    changed, _ = MODEL.apply(variables, frames.at[0, 20].add(1.0), mask, method=MODEL.encode)
    moved = np.flatnonzero(np.abs(changed - codes).max(axis=(0, 2)) > 1e-6)
    assert 5 in moved and moved.min() >= 2 and moved.max() <= 8
