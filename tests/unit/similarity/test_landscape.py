"""The loss around a run."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxmm.errors import ConfigError, DataError
from jaxmm.evaluate.study_plots import plot_landscape
from jaxmm.objectives.reduce import masked_mean
from jaxmm.similarity.landscape import Landscape, filter_normalised, loss_landscape

from .conftest import TASK


@pytest.fixture(scope="module")
def plane(model):
    return loss_landscape(model, num_points=3, num_batches=1, reach=0.5)


def test_the_middle_is_the_loss_of_the_run(model, plane):
    batch = next(model.open_similar().train_batches(seed=0))
    params, collections, batch = jax.tree.map(jnp.asarray, (model.params, model.collections, dict(batch)))
    losses, _ = jax.jit(lambda *own: TASK.loss(*own, jax.random.key(0), train=False))(params, collections, batch)
    assert plane.losses[1, 1] == pytest.approx(float(masked_mean(losses, batch["example_mask"])), rel=1e-4)
    assert plane.values()["loss"] == plane.losses[1, 1]
    assert plane.steps.tolist() == [-0.5, 0.0, 0.5]
    assert np.ptp(plane.losses) > 1e-3


def test_it_depends_on_the_seed_alone(model, plane):
    again = loss_landscape(model, num_points=3, num_batches=1, reach=0.5)
    np.testing.assert_array_equal(again.losses, plane.losses)
    other = loss_landscape(model, num_points=3, num_batches=1, reach=0.5, seed=1)
    assert np.abs(other.losses - plane.losses).max() > 1e-3


def test_a_line_is_one_row_of_points(model):
    line = loss_landscape(model, num_directions=1, num_points=3, num_batches=2, reach=0.5)
    assert line.losses.shape == (3,) and np.isfinite(line.losses).all()


def test_directions_are_as_long_as_what_they_change_filter_by_filter():
    rng = np.random.default_rng(0)
    params = {
        "conv": jnp.asarray(rng.normal(size=(3, 4, 5)) * np.array([0, 1, 2, 3, 100.0]), jnp.float32),
        "bias": jnp.ones(5),
        "scale": jnp.ones(()),
        "rests": None,
    }
    way = filter_normalised(jax.random.key(1), params)
    lengths = [np.sqrt(np.square(own["conv"]).sum(axis=(0, 1))) for own in (params, way)]
    np.testing.assert_allclose(*lengths, rtol=1e-5)
    assert not way["bias"].any() and not way["scale"].any() and way["rests"] is None
    cosine = (way["conv"] * params["conv"]).sum() / (jnp.linalg.norm(way["conv"]) * jnp.linalg.norm(params["conv"]))
    assert abs(float(cosine)) < 0.9


def test_it_is_drawn_and_written_point_by_point(plane, tmp_path):
    pytest.importorskip("matplotlib", reason="needs the extra 'plots'")
    plane.draw(tmp_path / "plane", title="run")
    head, *rows = (tmp_path / "plane" / "landscape.csv").read_text().splitlines()
    assert head == "first,second,loss" and len(rows) == 9
    assert [float(value) for value in rows[1].split(",")] == pytest.approx([-0.5, 0.0, plane.losses[0, 1]], rel=1e-5)
    Landscape(steps=plane.steps, losses=plane.losses[0]).draw(tmp_path / "line", title="run")
    assert (tmp_path / "line" / "landscape.csv").read_text().startswith("first,loss\n-0.5,")
    for name in ("plane", "line"):
        assert (tmp_path / name / "landscape.png").read_bytes()[1:4] == b"PNG"


def test_a_landscape_without_a_finite_loss_has_no_values():
    with pytest.raises(DataError, match="no loss of the landscape is finite; choose a smaller reach"):
        Landscape(steps=np.array([-1.0, 1.0]), losses=np.array([np.nan, np.inf])).values()


def test_losses_that_are_not_finite_are_left_out_of_pictures(plane, tmp_path):
    pytest.importorskip("matplotlib", reason="needs the extra 'plots'")
    losses = plane.losses.copy()
    losses[0, 0] = np.inf
    assert Landscape(steps=plane.steps, losses=losses).values()["highest"] == losses[np.isfinite(losses)].max()
    plot_landscape(tmp_path / "some.png", plane.steps, losses)
    with pytest.raises(DataError, match="no loss of the landscape is finite; take a smaller reach"):
        plot_landscape(tmp_path / "none.png", plane.steps, np.full((3, 3), np.nan))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"num_directions": 3}, "directions are 3; give 1 for a line, or 2"),
        ({"num_points": 1}, "points is 1; give 2 or more"),
        ({"num_batches": 0}, "batches is 0; give 1 or more"),
        ({"seed": -1}, "seed is -1; give 0 or more"),
        ({"reach": 0.0}, r"reach is 0\.0; give a step above zero"),
        ({"reach": float("nan")}, "reach is nan"),
    ],
)
def test_numbers_are_refused(model, settings, message):
    with pytest.raises(ConfigError, match=message):
        loss_landscape(model, **settings)


def test_a_run_of_another_system_is_refused(untrained, task):
    other = untrained(0)
    other.experiment = dataclasses.replace(other.experiment, task=task)
    with pytest.raises(ConfigError, match="DanceTextTask compares no videos"):
        loss_landscape(other)
