import dataclasses
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxmm.config import decode, differences, encode
from jaxmm.data.motion_text import MotionText
from jaxmm.data.transforms import Augmentation
from jaxmm.encoders.pose import PoseConvGru
from jaxmm.errors import ConfigError
from jaxmm.experiment import read_config
from jaxmm.numerics import Numerics
from jaxmm.objectives.settings import Contrastive
from jaxmm.optim import AdamW, Group
from jaxmm.weights import Freeze

ROOT = Path(__file__).parents[2]
CONFIGS = sorted((ROOT / "configs").glob("*/*.py"))
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner).map(tuple) | st.dictionaries(st.text().filter(lambda name: name != "class"), inner),
    max_leaves=10,
)


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_every_shipped_config_survives_json(path):
    experiment = read_config(path)
    document = json.loads(json.dumps(encode(experiment)))
    assert decode(document) == experiment
    assert differences(document, encode(decode(document))) == []


def test_there_are_shipped_configs():
    assert {"base", "tiny"} <= {path.stem for path in CONFIGS if path.parent.name == "dance_text"}


@settings(max_examples=100, deadline=None)
@given(values)
def test_plain_values_survive_json(value):
    assert decode(json.loads(json.dumps(encode(value)))) == value


def test_settings_nest_and_lists_become_tuples():
    adamw = AdamW(groups=(Group(pattern="a", lr_scale=None), Group(pattern="")))
    assert encode(adamw)["groups"][0] == {
        "class": "jaxmm.optim.Group",
        "pattern": "a",
        "lr_scale": None,
        "weight_decay": None,
    }
    assert decode(encode(adamw)) == adamw


def test_a_linen_module_is_saved_without_linens_own_fields():
    document = encode(PoseConvGru(conv_dims=(8, 4)))
    assert document["conv_dims"] == [8, 4]
    assert not {"name", "parent"} & document.keys()
    assert decode(document) == PoseConvGru(conv_dims=(8, 4))


@pytest.mark.parametrize("value", [np.zeros(2), object(), {1, 2}, len, Group], ids=type)
def test_what_json_cannot_hold_is_refused(value):
    with pytest.raises(ConfigError, match=r"a setting of type \w+ cannot be saved; use numbers, text or dataclasses"):
        encode({"nested": [value]})


@pytest.mark.parametrize("name", ["os.system", "jaxmmm.Task", "subprocess.Popen", "builtins.eval", "", "5"])
def test_classes_outside_the_package_are_refused(name):
    with pytest.raises(ConfigError, match=r"class '.*' is not allowed; its module must begin with jaxmm\."):
        decode({"class": name})


def test_a_refused_class_is_not_imported(tmp_path, monkeypatch):
    (tmp_path / "not_to_be_run.py").write_text("raise SystemExit('this module was run')")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ConfigError, match="not allowed"):
        decode({"data": [{"class": "not_to_be_run.Thing"}]})
    assert "not_to_be_run" not in sys.modules


def test_further_packages_may_be_allowed(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "my_own_settings.py").write_text(
        "import dataclasses\n@dataclasses.dataclass\nclass Size:\n    width: int\n"
    )
    document = {"class": "my_own_settings.Size", "width": 3}
    assert decode(document, allowed_prefixes=("jaxmm.", "my_own_settings.")).width == 3
    with pytest.raises(ConfigError, match=r"class 'x\.y' is not allowed; its module must begin with jaxmm\. or mine\."):
        decode({"class": "x.y"}, allowed_prefixes=("jaxmm.", "mine."))


@pytest.mark.parametrize("name", ["jaxmm.nosuch.Thing", "jaxmm.optim.Adam", "jaxmm.", "jaxmm..optim"])
def test_a_class_that_does_not_exist_is_refused(name):
    with pytest.raises(ConfigError, match=f"class '{name}' does not exist; the file is of another version"):
        decode({"class": name})


@pytest.mark.parametrize("name", ["jaxmm.files.os", "jaxmm.optim.path_name", "jaxmm.errors.ConfigError"])
def test_what_is_no_settings_class_is_neither_called_nor_built(name):
    with pytest.raises(ConfigError, match=f"'{name}' is not a settings class"):
        decode({"class": name})


def test_fields_of_another_version_are_named():
    with pytest.raises(ConfigError, match=r"jaxmm\.optim\.Group has no field 'alpha', 'beta'; .* another version"):
        decode({"class": "jaxmm.optim.Group", "pattern": "", "beta": 1, "alpha": 2})
    with pytest.raises(ConfigError, match=r"jaxmm\.optim\.Group: .*'pattern'; the file is of another version"):
        decode({"class": "jaxmm.optim.Group"})


def test_values_out_of_range_keep_their_own_message():
    document = encode(Augmentation()) | {"mirror_rate": 2}
    with pytest.raises(ConfigError, match=r"augmentation\.mirror_rate is 2; give a probability"):
        decode(document)


def test_differences_name_changed_added_and_removed_fields():
    old = encode(AdamW(lr=0.5, groups=(Group(pattern="a"), Group(pattern="b"))))
    new = encode(AdamW(lr=0.25, groups=(Group(pattern="c"),)))
    assert differences(old, new) == [
        "lr: 0.5 -> 0.25",
        'groups.0.pattern: "a" -> "c"',
        'groups.1.class: "jaxmm.optim.Group" -> (absent)',
        'groups.1.pattern: "b" -> (absent)',
        "groups.1.lr_scale: 1.0 -> (absent)",
        "groups.1.weight_decay: null -> (absent)",
    ]


def test_settings_do_not_differ_from_themselves_but_from_each_replacement():
    base = AdamW()
    assert differences(encode(base), encode(AdamW())) == []
    for name, value in {"clip_norm": 1.0, "warmup_steps": 3, "groups": ()}.items():
        (line, *_) = differences(encode(base), encode(dataclasses.replace(base, **{name: value})))
        assert line.startswith(name)
    assert differences(encode(Freeze("nothing")), encode(Freeze.last_tensors(4))) == [
        'kind: "nothing" -> "last_tensors"',
        "count: 0 -> 4",
    ]


@pytest.mark.parametrize(
    ("settings", "name", "value", "message"),
    [
        (
            Contrastive(),
            "kind",
            "simclr",
            r"Contrastive.kind is 'simclr'; choose among 'infonce', 'nt_xent', 'sigmoid'",
        ),
        (MotionText(), "centre", "root", r"MotionText.centre is 'root'; choose among 'none', 'first_frame'"),
        (Numerics(), "compute_dtype", "float16", r"Numerics.compute_dtype is 'float16'; choose among"),
    ],
)
def test_a_choice_that_there_is_not_is_refused(settings, name, value, message):
    with pytest.raises(ConfigError, match=message):
        decode({**encode(settings), name: value})
