"""How signing comes to be checked: by the command, and by settings of data."""

import json

import pytest

from jaxmm import cli
from jaxmm.data.motion_text import MotionText
from jaxmm.data.sign.sources import ProceduralSigns, SignFolder
from jaxmm.data.sign.statistics import Statistics
from jaxmm.data.sign_text import SignText
from jaxmm.data.sources import SignMotions
from jaxmm.data.splits import HashSplit

from .signing import HANDS, build, changed, clear, kinds, signing


def run(capsys, *words):
    with pytest.raises(SystemExit) as caught:
        cli.main(["data", "check", *map(str, words)])
    return int(caught.value.code or 0), capsys.readouterr().out


def test_the_command_reads_what_the_config_names(tmp_path, capsys):
    clips = [signing("a", 0, gloss=None, tags={"split": "train"}), signing("b", 1)]
    root = build(tmp_path / "signs", clips, statistics=False)
    config = tmp_path / "own.py"
    config.write_text(
        "from jaxmm import Experiment, SignFolder, SignText, Text2SignTask\n"
        "def get_config():\n"
        "    return Experiment(task=Text2SignTask(), data=SignText(source=SignFolder()))\n"
    )
    status, out = run(capsys, config, "--data.root", root)
    assert status == 1
    assert [line.split(":")[0] for line in out.splitlines()[:3]] == ["statistics", "text", "split"]
    assert run(capsys, config, "--data.root", root, "--metres_per_unit", "1")[0] == 2
    assert run(capsys, config)[0] == 2


def test_the_command_knows_a_folder_of_signing(tmp_path, capsys):
    root = build(tmp_path / "signs", [signing("a")], statistics=False)
    status, out = run(capsys, root, "--json")
    values = json.loads(out)
    assert (status, values["clips"], values["problems/statistics"]) == (1, 1, 1)
    Statistics.neutral().write(root / "statistics.npz")
    cli.main(["data", "check", str(root)])
    assert "clips" in capsys.readouterr().out
    assert run(capsys, root, "--metres_per_unit", "1")[0] == 2


def test_data_are_checked_as_their_settings_say():
    source = ProceduralSigns(takes=1, num_glosses=8, num_sentences=8, num_held_out=1, num_signers=1)
    assert SignText(source=source).check(None).problems == ()
    seen_as_motion = MotionText(source=SignMotions(signs=source)).check(None)
    assert (seen_as_motion.problems, seen_as_motion.counts["clips"]) == ((), 10)


def test_signing_that_is_read_as_motion_is_checked_as_signing(tmp_path):
    clips = [signing("a", gloss=None), changed("b", lambda frames: clear(frames, columns=HANDS), 1)]
    settings = MotionText(source=SignMotions(signs=SignFolder()), split=HashSplit())
    problems = kinds(settings.check(build(tmp_path / "signs", clips, statistics=False)).problems)
    assert set(problems) == {"text", "hands"}
