"""The base beside `rendered.py`: the mean of the same frames' features, which sees no order."""

import dataclasses
from pathlib import Path

from jaxmm import Experiment
from jaxmm.experiment import read_config


def get_config() -> Experiment:
    """Returns the experiment."""
    temporal = read_config(Path(__file__).with_name("rendered.py"))
    return dataclasses.replace(temporal, task=dataclasses.replace(temporal.task, temporal=None))
