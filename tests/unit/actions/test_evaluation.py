"""What an evaluation says of classes that training never saw."""

import copy
import dataclasses

import numpy as np
import pytest

from jaxmm.actions.evaluation import answers_of, evaluate_actions
from jaxmm.data.splits import HashSplit
from jaxmm.errors import ConfigError


def test_unseen_classes_are_told_among_themselves(prompted):
    unseen = ("red_bar_grow", "red_bar_left")
    data = dataclasses.replace(prompted.experiment.data, unseen_labels=unseen)
    model = copy.copy(prompted)
    model.experiment = dataclasses.replace(prompted.experiment, data=data)
    scores = evaluate_actions([model], split="test", by="prompts")
    opened, answers, labels = answers_of([model], split="test", by="prompts")
    places = [opened.vocabulary.labels.index(label) for label in unseen]
    own = np.isin(labels, places)
    told = np.array(places)[answers[own][:, places].argmax(1)]
    assert scores["test/unseen/clips"] == own.sum() == 4
    assert scores["test/unseen/chance1"] == 0.5
    assert scores["test/unseen/top1"] == pytest.approx((told == labels[own]).mean())
    assert "test/unseen/top1" not in evaluate_actions([prompted], split="test", by="prompts")


def test_weights_are_one_a_run(model):
    with pytest.raises(ConfigError, match="weights"):
        evaluate_actions([model], split="test", weights=(1.0, 2.0))


def test_runs_that_hold_out_other_videos_are_not_averaged(model):
    other = copy.copy(model)
    split = HashSplit(num_buckets=2, test=(0,))
    other.experiment = dataclasses.replace(
        model.experiment, data=dataclasses.replace(model.experiment.data, split=split)
    )
    with pytest.raises(ConfigError, match=r"its test split holds other videos than that of .*; choose runs with the"):
        evaluate_actions([model, other], split="test")
