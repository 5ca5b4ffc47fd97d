"""What the command line prints: names and sentences as they are, numbers plain."""

import json

from jaxmm.console import show, show_answers, show_scores
from jaxmm.motions.index import Hit

ANSWERS = {"walk [/b] :wave:": (Hit(place=0, name="walk_[red]", score=0.5, captions=("a [fast] walk", "more")),)}


def test_sentences_are_printed_as_they_are(capsys):
    show_answers(ANSWERS, as_json=False)
    printed = capsys.readouterr().out
    assert "walk [/b] :wave:" in printed
    assert "walk_[red]" in printed and "a [fast] walk" in printed and "0.500" in printed


def test_answers_of_one_query_are_named_by_answer_and_of_several_by_both(capsys):
    show_answers(ANSWERS, as_json=True)
    assert json.loads(capsys.readouterr().out) == {"walk_[red]": 0.5}
    show_answers({**ANSWERS, "run": (Hit(place=1, name="run_1", score=1.0),)}, as_json=True)
    assert json.loads(capsys.readouterr().out) == {"walk [/b] :wave:/walk_[red]": 0.5, "run/run_1": 1}


def test_values_are_one_flat_object_or_a_table(capsys):
    show({"gallery": 1000.0, "recall@1": 0.25}, title="runs/[mine]", as_json=True)
    assert json.loads(capsys.readouterr().out) == {"gallery": 1000, "recall@1": 0.25}
    show({"gallery": 1000.0, "recall@1": 0.25}, title="runs/[mine]", as_json=False)
    printed = capsys.readouterr().out
    assert "runs/[mine]" in printed and "1,000" in printed and "0.2500" in printed


def test_scores_of_several_answers_stand_side_by_side_with_their_intervals(capsys):
    scores = {"step": 3.0, "test/made/ape": 0.25, "test/made/ape/low": 0.2, "test/made/ape/high": 0.3}
    scores |= {"test/top1": 0.5, "test/top1/low": 0.4, "test/top1/high": 0.6}
    scores |= {"test/real/ape": 0.5, "test/real/codes/mean": 1.0, f"test/{'x' * 90}/ape": 0.0}
    show_scores(scores, title="runs/[mine]", as_json=False)
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines == [
        ["runs/[mine]"],
        ["step", "3"],
        ["test/top1", "0.5000", "0.4000", "to", "0.6000"],
        ["test", "made", "real", "x" * 90],
        ["ape", "0.2500", "0.5000", "0"],
        ["0.2000", "to", "0.3000"],
        ["codes/mean", "1"],
    ]
    show_scores(scores, title="", as_json=True)
    assert json.loads(capsys.readouterr().out) == scores
