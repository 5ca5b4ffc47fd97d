import dataclasses
import json

import pytest

from jaxmm.data.motion_text import MotionText
from jaxmm.errors import ConfigError
from jaxmm.experiment import Experiment, read_config, read_experiment, write_experiment
from jaxmm.train.loop import Loop


@pytest.fixture
def experiment(task):
    return Experiment(task=task, data=MotionText(batch_size=8), loop=Loop(epochs=3), seed=7)


@pytest.fixture
def config(tmp_path):
    def write(text):
        path = tmp_path / "mine.py"
        path.write_text(text)
        return path

    return write


def test_an_experiment_survives_its_file(experiment, tmp_path):
    path = tmp_path / "config.json"
    write_experiment(experiment, path)
    assert read_experiment(path) == experiment
    assert read_experiment(path) != dataclasses.replace(experiment, seed=8)
    assert json.loads(path.read_text())["loop"]["epochs"] == 3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "cannot be read .* is this folder a run?"),
        ("[1, 2]", "does not describe an experiment"),
        ('{"class": "jaxmm.optim.Group", "pattern": ""}', "does not describe an experiment"),
        ('{"class": "os.system"}', "class 'os.system' is not allowed"),
    ],
)
def test_a_file_that_describes_something_else_is_refused(text, message, tmp_path):
    path = tmp_path / "config.json"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message):
        read_experiment(path)


def test_an_absent_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"config.json: cannot be read .* is this folder a run\?"):
        read_experiment(tmp_path / "config.json")
    with pytest.raises(ConfigError, match=r"mine.py: no such config file; the shipped ones are configs/<system>/\*.py"):
        read_config(tmp_path / "mine.py")


def test_a_config_file_may_define_its_own_helpers(config, experiment):
    path = config(
        "import dataclasses\n"
        "from jaxmm import DanceTextTask, Experiment, Loop, MotionText\n"
        "@dataclasses.dataclass\n"
        "class Size:\n"
        "    epochs: 'int' = 2\n"
        "def get_config():\n"
        "    return Experiment(task=DanceTextTask(), data=MotionText(), loop=Loop(epochs=Size().epochs))\n"
    )
    assert read_config(path).loop.epochs == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def get_config(:", r"mine.py: cannot be run \(SyntaxError"),
        ("import no_such_module", r"mine.py: cannot be run \(ModuleNotFoundError: No module named 'no_such_module'\)"),
        ("from jaxmm import Nothing", r"mine.py: cannot be run \(ImportError"),
        ("import jaxmm\njaxmm.Lop", r"cannot be run \(AttributeError: module 'jaxmm' has no attribute 'Lop'\)"),
        ("x = 1", r"mine.py: defines no get_config\(\); write one that returns a jaxmm.Experiment"),
        ("def get_config(): return 3", r"mine.py: get_config\(\) returned int; return a jaxmm.Experiment"),
        ("from jaxmm import Loop\ndef get_config(): Loop(epochs=0)", "loop.epochs is 0; give 1 or more"),
        ("from jaxmm import Loop\ndef get_config(): Loop(epoch=1)", r"mine.py: .*unexpected keyword argument 'epoch'"),
        ("def get_config(size): pass", r"mine.py: .*missing 1 required positional argument: 'size'"),
        ("get_config = 3", r"mine.py: .*not callable"),
        ("def get_config(): return 1 / 0", r"mine.py: .*division by zero"),
        ("1 / 0", r"mine.py: .*division by zero"),
    ],
)
def test_a_mistake_in_a_config_file_is_a_message_without_traceback(text, message, config):
    with pytest.raises(ConfigError, match=message):
        read_config(config(text))


def test_a_config_that_is_no_python_file_is_refused(tmp_path):
    (tmp_path / "mine.yaml").write_text("seed: 1")
    with pytest.raises(ConfigError, match=r"mine.yaml: not a Python file; a config ends in .py"):
        read_config(tmp_path / "mine.yaml")
