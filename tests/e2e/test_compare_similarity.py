"""Architectures of video similarity by command line, and studies of them, on very small data."""

import json

import pytest

from jaxmm.cli import main

CONFIG, OTHER = "configs/video_similarity/tiny.py", "configs/segmentation/tiny.py"
SMALL = (
    *("--loop.epochs", "1", "--loop.evaluate_every", "0", "--data.frames_per_clip", "2", "--devices.num_devices", "1"),
    *("--data.source.num_train", "4", "--data.source.num_val", "0", "--data.source.num_test", "2"),
    *("--task.frames.backbone.num_layers", "1", "--task.frames.backbone.dim", "8"),
)
NAMES = ("siamese", "triplet")


@pytest.fixture
def told(capsys):
    """Runs a command in this process and returns the object that it prints, or what it notes where it must fail."""

    def run(*words: object, status: int | None = None):
        if status is None:
            main([*map(str, words), "--json"])
            return json.loads(capsys.readouterr().out)
        with pytest.raises(SystemExit) as ended:
            main([*map(str, words), "--json"])
        assert ended.value.code == status
        return capsys.readouterr().err

    return run


@pytest.fixture(scope="module")
def workdir(tmp_path_factory):
    return tmp_path_factory.mktemp("compared")


def test_architectures_are_trained_measured_and_reported(told, workdir, tmp_path):
    pytest.importorskip("matplotlib", reason="needs matplotlib, the extra 'plots'")
    words = ("compare", CONFIG, "--workdir", workdir, "--architectures", *NAMES, "--bootstrap", 20, *SMALL)
    scores = told(*words)
    for name in (*NAMES, "ensemble"):
        assert scores[f"test/{name}/roc_auc/low"] <= scores[f"test/{name}/roc_auc/high"]
    page = (workdir / "report.html").read_text()
    assert page.count("data:image/png;base64,") == 2 and "Siamese or triplet?" in page
    document = json.loads((workdir / "report.json").read_text())
    answer = next(own for own in document["findings"] if own["question"] == "Siamese or triplet?")
    low, high = (answer["numbers"][end] for end in ("low", "high"))
    assert answer["answer"].startswith("No difference that the data can tell") == (low <= 0 <= high)
    runs = told("compare", *(workdir / name for name in NAMES), "--workdir", tmp_path / "runs", "--bootstrap", 20)
    assert {name: runs[f"test/{name}/roc_auc"] for name in NAMES} == {
        name: scores[f"test/{name}/roc_auc"] for name in NAMES
    }
    landscape = told("study", "landscape", workdir / "triplet", "--out", tmp_path, "--line", "--points", 3)
    assert landscape["lowest"] <= landscape["loss"] <= landscape["highest"]
    assert (tmp_path / "landscape.png").is_file()


def test_a_margin_is_studied_with_fields_of_the_config(told, tmp_path):
    pytest.importorskip("matplotlib", reason="needs matplotlib, the extra 'plots'")
    words = ("study", "margin", CONFIG, "--workdir", tmp_path, "--architecture", "triplet", "--bootstrap", 20)
    scores = told(*words, "--margins", 0.3, *SMALL)
    assert scores["test/0.3/eer/low"] <= scores["test/0.3/eer/high"]
    assert (tmp_path / "margins.png").is_file()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ("compare", CONFIG, "--workdir", "{}", "--architectures", "lstm"),
            "there is no architecture 'lstm'; choose among siamese",
        ),
        (("compare", OTHER, "--workdir", "{}"), "SegmentationTask compares no videos"),
        (("compare", CONFIG, OTHER, "--workdir", "{}"), "two of what is compared have the same name"),
        (("compare", "--workdir", "{}", CONFIG, OTHER), "two of what is compared have the same name"),
        (("compare", "no/a.py", "no/b.py", "--workdir", "{}"), "no/a.py: no such config file"),
        (("compare", CONFIG, OTHER, "--workdir", "{}", "--timelines"), "--timelines go with an alignment"),
        (
            ("study", "margin", CONFIG, "--workdir", "{}"),
            "task.objective is SupervisedContrastive, which has no margin",
        ),
        (("study", "landscape", "no/such", "--out", "{}"), "no/such: is not a run"),
    ],
)
def test_what_makes_no_sense_is_told_at_once(told, words, message, tmp_path):
    assert message in told(*(word.format(tmp_path / "out") for word in words), status=2)
    assert not (tmp_path / "out").exists()
