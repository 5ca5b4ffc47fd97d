import dataclasses
import signal

import pytest

from jaxmm import DanceTextTask, Experiment, Loop, MotionFolder, MotionText
from jaxmm.checkpoint import Checkpoints
from jaxmm.errors import ConfigError, DataError, Interrupted
from jaxmm.experiment import write_experiment
from jaxmm.horizon import Stage
from jaxmm.run import train, verify
from jaxmm.train.step import Devices


@pytest.mark.parametrize(
    ("loop", "error"),
    [
        (Loop(keep=3), DataError),  # of the data, which come next and are not there
        (Loop(keep_every=10), DataError),
        (Loop(log_every=1), DataError),
        (Loop(epochs=51), ConfigError),
    ],
)
def test_a_run_goes_on_whatever_is_kept_and_logged_of_it(loop, error, tmp_path):
    experiment = Experiment(task=DanceTextTask(), data=MotionText(source=MotionFolder(), root="no/such"))
    write_experiment(experiment, tmp_path / "config.json")
    with pytest.raises(error):
        train(dataclasses.replace(experiment, loop=loop), tmp_path)


def test_a_signal_that_comes_with_a_save_ends_the_run_before_anything_else_begins(
    task, settings, tmp_path, monkeypatch
):
    stages = (Stage(epochs=1, pattern="^text/head/"), Stage(epochs=1, pattern=""))
    loop = Loop(epochs=2, evaluate_every=0, save_every=1, stages=stages)
    experiment = Experiment(task=task, data=settings, loop=loop, devices=Devices(num_devices=1))
    run, begun = tmp_path / "run", []
    save, precompute = Checkpoints.save, type(task).precompute

    def asked_to_stop(self, *given):
        save(self, *given)
        signal.raise_signal(signal.SIGTERM)

    def begin(self, params, data, embed, horizon):
        begun.append(horizon.stage)
        return precompute(self, params, data, embed, horizon)

    monkeypatch.setattr(Checkpoints, "save", asked_to_stop)
    monkeypatch.setattr(type(task), "precompute", begin)
    for stages_begun in ([0], [0, 1]):  # the second time it is the end that is saved
        with pytest.raises(Interrupted) as stopped:
            train(experiment, run)
        assert stopped.value.status == 128 + signal.SIGTERM
        assert begun == stages_begun
        assert stopped.value.saved_step == verify(run)["step"]
    assert train(experiment, run)["step"] == stopped.value.saved_step
    assert begun == [0, 1]
