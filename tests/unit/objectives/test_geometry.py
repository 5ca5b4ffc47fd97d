import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxmm.objectives.geometry import bone_ends, bone_length_spread, bone_length_variance


@pytest.fixture
def body():
    """A rigid body that turns and moves: five landmarks over six frames."""
    rng = np.random.default_rng(0)
    points = rng.normal(size=(5, 3))
    frames = []
    for turn in np.linspace(0, 2, 6):
        turned = np.array([[np.cos(turn), -np.sin(turn), 0], [np.sin(turn), np.cos(turn), 0], [0, 0, 1]])
        frames.append(points @ turned.T + rng.normal(size=3))
    return jnp.asarray(np.stack(frames)[None], jnp.float32)


BONES = np.array([[[0, 0], [1, 1]], [[2, 2], [3, 4]]])
KNOWN = jnp.ones((1, 6, 2), bool)


def test_a_rigid_body_that_moves_scores_zero(body):
    """D7; the seed's variance over bones does not."""
    ends = bone_ends(body, BONES)
    assert float(bone_length_variance(ends, KNOWN)[0]) < 1e-10
    assert float(bone_length_spread(ends).min()) > 0.01


def test_a_bone_that_grows_scores_the_variance_of_its_length(body):
    grown = bone_ends(body, BONES).at[0, :, 0].multiply(jnp.linspace(1, 2, 6)[:, None, None])
    lengths = np.linalg.norm(grown[0, :, 0, 1] - grown[0, :, 0, 0], axis=-1)
    assert float(bone_length_variance(grown, KNOWN)[0]) == pytest.approx(np.var(lengths) / 2, rel=1e-4)


def test_frames_and_bones_that_are_not_known_count_nowhere(body):
    ends = bone_ends(body, BONES)
    known = KNOWN.at[0, 4:].set(False).at[0, :, 1].set(False)
    spoilt = ends.at[0, 4:].set(jnp.nan).at[0, :, 1].set(jnp.nan)
    assert float(bone_length_variance(spoilt, known)[0]) < 1e-10
    assert bone_length_variance(spoilt, known & False).tolist() == [0.0]


def test_the_gradient_is_finite_where_a_bone_has_no_length():
    ends = jnp.zeros((1, 3, 2, 2, 3))
    for loss in (
        lambda ends: bone_length_variance(ends, jnp.ones((1, 3, 2), bool)).sum(),
        lambda ends: bone_length_spread(ends).sum(),
    ):
        assert np.isfinite(jax.grad(loss)(ends)).all()
