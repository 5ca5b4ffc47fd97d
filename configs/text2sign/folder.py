"""The recipe of `base.py` for a folder of recorded signing, such as `jaxmm data prepare-sign` writes.

Name it by --data.root, and by --data.text whether glosses or sentences are signed. Sentences in other languages than
English want another text backbone than DistilBERT.
"""

import dataclasses
from pathlib import Path

from jaxmm import Experiment, SignFolder
from jaxmm.experiment import read_config


def get_config() -> Experiment:
    """Returns the experiment."""
    base = read_config(Path(__file__).with_name("base.py"))
    return dataclasses.replace(base, data=dataclasses.replace(base.data, source=SignFolder()))
