"""The recipe of `base.py` for the videos of a table, such as those that `scripts/prepare/videos.py` lists.

Name the folder that holds `videos.csv` and `videos` by --data.root, and the number of classes by
--task.head.num_classes. Where the table has no validation split, a tenth of the training videos is one.
"""

import dataclasses
from pathlib import Path

from jaxmm import Experiment, VideoTable
from jaxmm.experiment import read_config


def get_config() -> Experiment:
    """Returns the experiment."""
    base = read_config(Path(__file__).with_name("base.py"))
    data = dataclasses.replace(base.data, source=VideoTable(videos="videos"), val_fraction=0.1)
    return dataclasses.replace(base, data=data)
