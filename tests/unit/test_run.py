import dataclasses

import pytest

from jaxmm import DanceTextTask, Experiment, Loop, MotionFolder, MotionText
from jaxmm.errors import ConfigError, DataError
from jaxmm.experiment import write_experiment
from jaxmm.run import train


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
