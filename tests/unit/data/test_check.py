import json
from pathlib import Path

import numpy as np
import pytest

from jaxmm import cli
from jaxmm.data.check import check_source
from jaxmm.data.files import source_of
from jaxmm.data.sources import AmcFolder, BvhFolder, C3dFolder, HumanMl3dFolder, MotionFolder, ProceduralMotions
from jaxmm.data.splits import FileSplit, HashSplit, TagSplit
from jaxmm.errors import DataError

SKELETON = {"joint_names": ["Hips", "Head"], "parents": [-1, 0]}


def frames(seed: int, num_frames: int = 20) -> np.ndarray:
    """A person of 0.8 m who sways a little."""
    positions = np.random.default_rng(seed).normal(scale=0.005, size=(num_frames, 2, 3))
    return (positions + np.array([[0, 1, 0], [0, 1.8, 0]])).astype(np.float32)


def build(root: Path, arrays: dict[str, np.ndarray], rows: list[object] | None = None) -> Path:
    root.mkdir(exist_ok=True)
    for key, array in arrays.items():
        np.save(root / f"{key}.npy", array)
    rows = [{"key": key, "text": f"a person does {key}", "fps": 20} for key in arrays] if rows is None else rows
    lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
    (root / "captions.jsonl").write_text("\n".join(lines))
    (root / "skeleton.json").write_text(json.dumps(SKELETON))
    return root


def found(root: Path, **settings) -> dict[str, list[str]]:
    kinds: dict[str, list[str]] = {}
    for problem in check_source(source_of(root), root, **settings).problems:
        kinds.setdefault(problem.kind, []).append(problem.message)
    return kinds


def test_sound_data_have_no_problems_and_are_counted(tmp_path):
    report = check_source(MotionFolder(), build(tmp_path, {"walk": frames(0), "run": frames(1)}))
    assert report.problems == ()
    assert report.values() == {
        **{"motions": 2, "captions": 2, "frames": 40, "seconds": 2, "distinct_captions": 2, "joints": 2},
        "problems": 0,
    }


def test_a_list_of_splits_may_name_what_cannot_be_read(tmp_path):
    root = build(tmp_path / "data", {"walk": frames(0), "run": frames(1)})
    (root / "run.npy").write_bytes(b"half")
    split = tmp_path / "split.json"
    split.write_text('{"train": ["walk"], "test": ["run"]}')
    assert set(found(root, split=FileSplit(path=str(split)))) == {"files"}
    split.write_text('{"train": ["walk"], "test": ["run", "jump"]}')
    assert set(found(root, split=FileSplit(path=str(split)))) == {"files", "split"}


def test_every_file_is_read_whatever_is_wrong_with_the_others(tmp_path):
    not_finite, jump = frames(2), frames(3)
    not_finite[3, 1, 0] = np.nan
    jump[10:] += 50
    arrays = {
        "shape": frames(0)[0],
        "nan": not_finite,
        "jump": jump,
        "short": frames(4, 3),
        "giant": frames(5) * 100,
        "sound": frames(6),
    }
    root = build(tmp_path, arrays)
    (root / "sound.npy").rename(root / "other.npy")
    (root / "cut.npy").write_bytes(b"\x93NUMPY")
    rows = (root / "captions.jsonl").read_text().splitlines()
    extra = [
        "{",
        json.dumps({"key": "cut", "text": "x", "fps": 20}),
        json.dumps({"key": "blank", "text": " "}),
        rows[0],
    ]
    (root / "captions.jsonl").write_text("\n".join(rows + extra))
    kinds = found(root)
    assert {kind: len(messages) for kind, messages in kinds.items()} == {
        "captions": 3,
        "files": 4,
        "jump": 1,
        "short": 1,
        "unit": 1,
        "undescribed": 1,
    }
    named = " ".join(kinds["files"])
    assert all(name in named for name in ("shape.npy", "nan: frame 3", "sound.npy", "cut.npy"))
    assert "captions.jsonl:7: not JSON" in kinds["captions"][0]
    assert "'shape' was described on line 1" in kinds["captions"][2]
    assert "frame 10 jumps" in kinds["jump"][0]
    assert "measures 80" in kinds["unit"][0]
    assert kinds["undescribed"][0].startswith("other: no caption")


def test_the_same_recording_under_two_keys_is_found_within_and_across_splits(tmp_path):
    arrays = {"a": frames(0), "b": frames(0), "c": frames(1)}
    rows = [
        {"key": key, "text": "x", "fps": 20, "split": split}
        for key, split in zip("abc", ("train", "test", "test"), strict=True)
    ]
    root = build(tmp_path, arrays, rows)
    assert found(root) == {"duplicate": ["a, b: the same recording under 2 keys; give its captions as one list"]}
    assert found(root, split=TagSplit()) == {
        "leakage": ["a, b: the same recording is in test and train; keep it in one"]
    }
    assert "tag 'style' is None" in found(root, split=TagSplit(tag="style"))["split"][0]
    assert set(found(root, split=HashSplit())) <= {"duplicate", "leakage"}


def test_files_of_a_folder_may_have_different_faults(tmp_path):
    text = "HIERARCHY\nROOT {0}\n{{\nOFFSET 0 0 0\nCHANNELS 3 Xposition Yposition Zposition\n}}\nMOTION\nFrames: 8\n"
    text += "Frame Time: 0.05\n" + "0 1 0\n" * 8
    for name, root_joint in (("a", "Hips"), ("b", "Pelvis"), ("c", "Hips")):
        (tmp_path / f"{name}.bvh").write_text(text.format(root_joint))
    (tmp_path / "d.bvh").write_text("HIERARCHY")
    rows = [{"file": f"{name}.bvh", "text": "x"} for name in "abde"]
    (tmp_path / "captions.jsonl").write_text("\n".join(map(json.dumps, rows)))
    kinds = found(tmp_path)
    assert "b: has another skeleton than a (it has Pelvis)" in kinds["skeleton"][0]
    assert "no file 'e.bvh'" in kinds["captions"][0] and "c.bvh: no caption" in kinds["captions"][1]
    assert "d.bvh: no MOTION section" in kinds["files"][0]


def test_a_folder_is_read_by_the_files_it_holds(tmp_path):
    assert source_of(tmp_path) == MotionFolder()
    (tmp_path / "new_joints").mkdir()
    assert source_of(tmp_path) == HumanMl3dFolder()
    for ending, source in ((".c3d", C3dFolder()), (".amc", AmcFolder()), (".bvh", BvhFolder())):
        (tmp_path / f"walk{ending}").touch()
        assert source_of(tmp_path) == source
    assert source_of(tmp_path, metres_per_unit=2.0) == BvhFolder(metres_per_unit=2.0)


def test_the_procedural_source_is_sound_but_reads_no_folder(tmp_path):
    with pytest.raises(DataError, match="reads no files"):
        check_source(ProceduralMotions(), tmp_path)


def run(capsys, *words) -> tuple[int, str]:
    with pytest.raises(SystemExit) as caught:
        cli.main(["data", "check", *map(str, words)])
    return int(caught.value.code or 0), capsys.readouterr().out


def test_the_command_lists_problems_and_exits_with_one(tmp_path, capsys):
    root = build(tmp_path / "data", {"walk": frames(0) * 100, "run": frames(1)})
    status, out = run(capsys, root)
    assert status == 1 and "unit: walk: the figure measures" in out
    status, out = run(capsys, root, "--json")
    values = json.loads(out)
    assert status == 1 and (values["motions"], values["problems"], values["problems/unit"]) == (2, 1, 1)
    assert values["problem/1"].startswith("walk: the figure measures")
    config = tmp_path / "own.py"
    config.write_text(
        "from jaxmm import DanceTextTask, Experiment, MotionFolder, MotionText\n"
        "def get_config():\n"
        "    return Experiment(task=DanceTextTask(), data=MotionText(source=MotionFolder()))\n"
    )
    status, out = run(capsys, config, "--data.root", root)
    assert status == 1 and "unit: walk" in out and "split: " in out
    cli.main(["data", "check", str(build(tmp_path / "sound", {"run": frames(1)})), "--json"])
    assert json.loads(capsys.readouterr().out)["problems"] == 0


def test_mistakes_of_the_user_exit_with_two(tmp_path, capsys):
    root = build(tmp_path / "data", {"walk": frames(0)})
    for words in ((tmp_path / "absent",), (root, "--data.root", root), (root, "--metres_per_unit", "0.01")):
        assert run(capsys, *words)[0] == 2
