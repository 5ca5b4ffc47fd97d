import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxmm import AdamW, SignAutoencoder, SignAutoencoderTask
from jaxmm.data.sign.layout import HOLISTIC
from jaxmm.errors import ConfigError
from jaxmm.horizon import Horizon
from jaxmm.signs.codes import SignCoder

TASK = SignAutoencoderTask(
    autoencoder=SignAutoencoder(hidden_dim=16, code_dim=4), optimizer=AdamW(lr=1e-2, end_lr=1e-2, weight_decay=0.0)
)


@pytest.fixture(scope="module")
def batch(sign_data):
    return jax.tree.map(jnp.asarray, sign_data.sample_batch())


@pytest.fixture(scope="module")
def state(batch):
    return jax.jit(TASK.init, static_argnums=2)(jax.random.key(0), batch, Horizon(epochs=1, steps_per_epoch=1))


def losses(state, batch):
    return TASK.loss(state.params, {}, batch, jax.random.key(0), train=False)[0]


def test_learns_to_tell_a_batch_again(state, batch):
    first, step = float(losses(state, batch).mean()), jax.jit(TASK.train_step)
    for _ in range(40):
        state, _ = step(state, batch)
    assert float(losses(state, batch).mean()) < 0.6 * first


def test_neither_padding_nor_what_was_not_detected_counts(state, batch):
    known = batch["landmark_mask"] & batch["frame_mask"][..., None]
    assert not bool(known.all())
    made = TASK.reconstruct(state.params, {}, batch)
    known = np.asarray(known[..., HOLISTIC.landmark_of_feature])
    expected = [
        np.square(np.asarray(own - real))[mask].mean()
        for own, real, mask in zip(made, batch["frames"], known, strict=True)
    ]
    np.testing.assert_allclose(losses(state, batch), expected, rtol=1e-5)


def test_codes_do_not_depend_on_the_batch_a_clip_lies_in(state, sign_data):
    coder = SignCoder(TASK, sign_data.settings, sign_data.assets)
    clips = [clip.frames for clip in sign_data.clips("train")[:5]]
    whole = coder.codes(state.params, {}, clips)
    alone = np.concatenate([coder.codes(state.params, {}, [clip]) for clip in clips])
    np.testing.assert_allclose(whole, alone, atol=1e-5)
    assert len(whole) == sum(-(-len(clip) // 4) for clip in clips)
    made = coder.reconstruct(state.params, {}, clips)
    assert [own.shape for own in made] == [clip.shape for clip in clips]
    assert all((own[clip == 0] == 0).all() for own, clip in zip(made, clips, strict=True))


def test_other_data_and_other_frames_are_refused(data):
    with pytest.raises(ConfigError, match="MotionText; SignAutoencoderTask learns from SignText"):
        TASK.check_data(data)
    with pytest.raises(ConfigError, match="frame_dim is 12; a frame has 540"):
        SignAutoencoderTask(autoencoder=SignAutoencoder(frame_dim=12))


def test_a_task_without_codes_is_refused(task, sign_data):
    with pytest.raises(ConfigError, match="DanceTextTask encodes no signing"):
        SignCoder(task, sign_data.settings, sign_data.assets)
