"""Numbers that are not finite, and spikes, in the middle of a real run: it goes back, and saves nothing of them."""

import dataclasses
import itertools
import json
from pathlib import Path

import jax
import numpy as np
import pytest

from jaxmm import run
from jaxmm.checkpoint import Checkpoints
from jaxmm.errors import TrainingError
from jaxmm.experiment import read_config
from jaxmm.numerics import Numerics
from jaxmm.train.step import Devices

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
STEPS_PER_EPOCH, EPOCHS, BAD_IN_ROW = 11, 3, 3

# What a bad step changes, and when the loop goes back, is tested in seconds in unit/test_numerics and train/test_loop.
pytestmark = pytest.mark.faults


def shortened(name, **data):
    """A tiny config with a source of its own size, three short epochs, and a checkpoint after each."""
    experiment = read_config(CONFIGS / name / "tiny.py")
    source = dataclasses.replace(experiment.data.source, **data.pop("source"))
    return dataclasses.replace(
        experiment,
        task=dataclasses.replace(experiment.task, numerics=Numerics(rollback_after=BAD_IN_ROW, max_rollbacks=2)),
        data=dataclasses.replace(experiment.data, source=source, **data),
        devices=Devices(num_devices=1),
        loop=dataclasses.replace(experiment.loop, epochs=EPOCHS, evaluate_every=0, save_every=1, log_every=1, keep=9),
    )


@pytest.fixture
def experiment():
    return shortened("dance_text", num_frames=4, source={"takes": 1, "held_out_takes": 1})


@pytest.fixture
def signing():
    """Both players are trained from the first step on."""
    short = shortened("text2sign", batch_size=4, source={"takes": 1, "num_sentences": 44})
    objective = dataclasses.replace(short.task.objective, adversarial_from=0.0)
    return dataclasses.replace(short, task=dataclasses.replace(short.task, objective=objective))


@pytest.fixture
def spoil(monkeypatch):
    """Spoils the batches of some calls of the compiled step."""

    def choose(calls, value, field="motion"):
        original = run.compile_train_step

        def compile_spoilt(*args, **settings):
            step, numbers = original(*args, **settings), itertools.count(1)

            def spoilt(state, batch, stop):
                if next(numbers) in calls:
                    values = np.array(batch[field])
                    values.reshape(len(values), -1)[0, 0] = value
                    batch = batch | {field: values}
                return step(state, batch, stop)

            return spoilt

        monkeypatch.setattr(run, "compile_train_step", compile_spoilt)

    return choose


def records(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def assert_all_checkpoints_are_finite(folder):
    with Checkpoints(folder, writable=False) as checkpoints:
        for step in checkpoints.steps():
            assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(checkpoints.restore_model(step)))
        return checkpoints.steps()


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e30])
def test_bad_steps_in_a_row_send_the_run_back_to_its_checkpoint(value, experiment, spoil, tmp_path):
    first = STEPS_PER_EPOCH + 4
    spoil(range(first, first + BAD_IN_ROW), value)
    ended = run.train(experiment, tmp_path / "run")
    assert ended["step"] == STEPS_PER_EPOCH * EPOCHS
    rows = records(tmp_path / "run")
    (back,) = [place for place, row in enumerate(rows) if "alert/rollback" in row]
    # A step or two are in flight when the third bad one is known.
    assert first + BAD_IN_ROW - 1 <= rows[back]["step"] <= first + BAD_IN_ROW + 1
    assert rows[back + 1]["step"] == STEPS_PER_EPOCH + 1
    assert {row["train/skipped"] for row in rows[back + 1 :] if "train/skipped" in row} == {0}
    assert assert_all_checkpoints_are_finite(tmp_path / "run") == [11, 22, 33]


def test_a_single_bad_step_is_passed_over(experiment, spoil, tmp_path):
    spoil({5}, np.nan)
    assert run.train(experiment, tmp_path / "run")["step"] == STEPS_PER_EPOCH * EPOCHS
    rows = records(tmp_path / "run")
    assert not any("alert/rollback" in row for row in rows)
    assert [row["step"] for row in rows if row.get("train/loss", 0) is None] == [5]
    assert rows[-1]["train/skipped"] == 1


@pytest.mark.parametrize(
    ("field", "value", "bad"),
    [("frames", np.nan, {"generator", "critic"}), ("std", np.inf, {"generator"})],  # bones are the generator's alone
)
def test_bad_steps_of_either_player_send_signing_back_to_its_checkpoint(field, value, bad, signing, spoil, tmp_path):
    first = STEPS_PER_EPOCH + 4
    spoil(range(first, first + BAD_IN_ROW), value, field)
    assert run.train(signing, tmp_path / "run")["step"] == STEPS_PER_EPOCH * EPOCHS
    rows = records(tmp_path / "run")
    (back,) = [place for place, row in enumerate(rows) if "alert/rollback" in row]
    spoilt = [row for row in rows[:back] if row["step"] >= first][:BAD_IN_ROW]
    norms = {"generator": "train/grad_norm/generator", "critic": "train/grad_norm/critic"}
    assert {player for player, name in norms.items() if any(row[name] is None for row in spoilt)} == bad
    assert rows[back + 1]["step"] == STEPS_PER_EPOCH + 1
    assert assert_all_checkpoints_are_finite(tmp_path / "run") == [11, 22, 33]


def test_a_run_that_stays_bad_is_stopped_and_its_checkpoint_is_sound(experiment, spoil, tmp_path):
    spoil(range(STEPS_PER_EPOCH + 4, 10**6), np.nan)
    with pytest.raises(TrainingError, match="bad steps in a row"):
        run.train(experiment, tmp_path / "run")
    assert assert_all_checkpoints_are_finite(tmp_path / "run") == [STEPS_PER_EPOCH]
