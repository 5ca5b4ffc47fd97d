"""An experiment: everything a run is made of, read from a Python file, changed by flags, written as JSON."""

import dataclasses
import importlib.util
import json
import sys
from pathlib import Path

from jaxmm.config import decode, encode
from jaxmm.data.dataset import DataSettings
from jaxmm.errors import ConfigError, JaxmmError, reason
from jaxmm.files import read_json, write_text
from jaxmm.tasks.base import Task
from jaxmm.train.loop import Loop
from jaxmm.train.step import Devices

_LONGEST_REASON = 1000  # characters; what is wrong may be a whole file on one line


@dataclasses.dataclass(frozen=True, kw_only=True)
class Experiment:
    """What to learn, from what, and for how long.

    Attributes:
        task: The system: modules, objective, optimizer.
        data: Where examples come from and how they are prepared.
        loop: How long to train, and how often to evaluate and save.
        devices: How training is spread over devices.
        seed: Seed of the initialisation, the order of the data and all further randomness, >= 0.

    Raises:
        ConfigError: If the seed is out of its range.

    Example:
        >>> from jaxmm import DanceTextTask, MotionText
        >>> Experiment(task=DanceTextTask(), data=MotionText(), seed=3).loop.epochs
        50
    """

    task: Task
    data: DataSettings
    loop: Loop = dataclasses.field(default_factory=Loop)
    devices: Devices = dataclasses.field(default_factory=Devices)
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.seed < 2**32:
            raise ConfigError(f"seed is {self.seed}; give a number from 0 to {2**32 - 1}")


def read_config(path: str | Path) -> Experiment:
    """Returns what `get_config()` of a Python file returns.

    Args:
        path: The file; it is run, so it must be one you trust.

    Raises:
        ConfigError: If the file cannot be run, or has no `get_config` that returns an Experiment.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "empty.py"
        >>> _ = path.write_text("")
        >>> read_config(path)
        Traceback (most recent call last):
        jaxmm.errors.ConfigError: ...empty.py: defines no get_config(); write one that returns a jaxmm.Experiment
    """
    path = Path(path)
    if not path.is_file():
        raise ConfigError(f"{path}: no such config file; the shipped ones are configs/<system>/*.py")
    spec = importlib.util.spec_from_file_location(f"jaxmm_config_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise ConfigError(f"{path}: not a Python file; a config ends in .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # so that dataclasses defined in the file can be resolved
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise ConfigError(f"{path}: cannot be run ({type(error).__name__}: {reason(error)})") from error
    get_config = getattr(module, "get_config", None)
    if get_config is None:
        raise ConfigError(f"{path}: defines no get_config(); write one that returns a jaxmm.Experiment")
    try:
        experiment = get_config()
    except JaxmmError:
        raise
    except Exception as error:
        raise ConfigError(f"{path}: get_config() failed ({type(error).__name__}: {reason(error)})") from error
    if not isinstance(experiment, Experiment):
        raise ConfigError(f"{path}: get_config() returned {type(experiment).__name__}; return a jaxmm.Experiment")
    return experiment


def write_experiment(experiment: Experiment, path: Path) -> None:
    """Writes an experiment as JSON, from which `read_experiment` builds the same one."""
    write_text(path, json.dumps(encode(experiment), indent=2) + "\n")


def read_experiment(path: Path) -> Experiment:
    """Returns the experiment that a JSON file describes.

    Raises:
        ConfigError: If the file cannot be read, or describes something else.

    Example:
        >>> import tempfile
        >>> from jaxmm import DanceTextTask, MotionText
        >>> path = Path(tempfile.mkdtemp()) / "config.json"
        >>> experiment = Experiment(task=DanceTextTask(), data=MotionText())
        >>> write_experiment(experiment, path)
        >>> read_experiment(path) == experiment
        True
    """
    try:
        document = read_json(path)
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: cannot be read ({reason(error)}); is this folder a run?") from error
    try:
        experiment = decode(document)
    except RecursionError as error:
        raise ConfigError(f"{path}: is nested too deeply to describe an experiment") from error
    except JaxmmError as error:
        raise ConfigError(f"{path}: {str(error)[:_LONGEST_REASON]}") from error
    if not isinstance(experiment, Experiment):
        raise ConfigError(f"{path}: does not describe an experiment")
    return experiment
