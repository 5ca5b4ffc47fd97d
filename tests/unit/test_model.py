"""A trained model in use."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxmm import DanceTextTask, Experiment, Freeze, MotionFolder, MotionText, PoseConvGru, TransformerText
from jaxmm.data.folder import write_motion_folder
from jaxmm.model import Model


def test_a_motion_is_embedded_alike_from_the_index_and_by_itself(tmp_path, motions, make_motion):
    long = make_motion("long", 40, tags={"split": "train"})
    write_motion_folder([long, *motions], tmp_path / "data")
    text = TransformerText(vocab_size=60, dim=8, num_layers=1, num_heads=2, feedforward_dim=8)
    settings = MotionText(
        source=MotionFolder(), root=str(tmp_path / "data"), num_frames=8, window_stride=3, batch_size=4, fps=long.fps
    )
    task = DanceTextTask(motion=PoseConvGru(conv_dims=(8,), hidden_dim=8), text=text, freeze=Freeze("nothing"))

    def model(data):
        opened = data.open(tmp_path / "assets")
        params, collections = task.init_variables(jax.random.key(0), jax.tree.map(jnp.asarray, opened.sample_batch()))
        return Model(tmp_path, Experiment(task=task, data=data), params, collections, step=0)

    windowed = model(settings)
    index = windowed.index("train")
    (alone,) = windowed.embed_motion([long])
    np.testing.assert_allclose(index.motion[index.keys.index("long")], alone, rtol=0, atol=1e-6)
    assert np.linalg.norm(alone) == pytest.approx(1, abs=1e-5)
    centre = model(dataclasses.replace(settings, window_stride=None))
    assert np.abs(centre.embed_motion([long])[0] - alone).max() > 1e-3
    short = [motion for motion in motions if motion.num_frames <= 8]
    np.testing.assert_array_equal(centre.embed_motion(short), windowed.embed_motion(short))
