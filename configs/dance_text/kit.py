"""KIT-ML as the HumanML3D project prepares it: the recipe of `humanml3d.py` at the data's own 12.5 frames a second."""

import dataclasses
from pathlib import Path

from jaxmm import Experiment, HumanMl3dFolder
from jaxmm.experiment import read_config


def get_config() -> Experiment:
    """Returns the experiment."""
    humanml3d = read_config(Path(__file__).with_name("humanml3d.py"))
    data = dataclasses.replace(
        humanml3d.data, source=HumanMl3dFolder(figure="kit", min_frames=24), fps=12.5, num_frames=125
    )
    return dataclasses.replace(humanml3d, data=data)
