import dataclasses
from pathlib import Path

import jax
import numpy as np
import pytest

from jaxmm.data.motion_text import MotionText
from jaxmm.errors import ConfigError
from jaxmm.experiment import Experiment, read_config
from jaxmm.horizon import Stage
from jaxmm.inspect import parts, totals
from jaxmm.optim import AdamW, Group
from jaxmm.tasks.dance_text import DanceTextTask
from jaxmm.train.loop import Loop
from jaxmm.weights import Freeze


@pytest.fixture(scope="module")
def experiment(task):
    return Experiment(task=task, data=MotionText(num_frames=8, max_tokens=6))


@pytest.fixture(scope="module")
def seed_experiment():
    return Experiment(task=DanceTextTask(), data=MotionText())


def test_parts_hold_every_parameter_once_at_any_depth(experiment, batch):
    params, _ = jax.eval_shape(experiment.task.init_variables, jax.random.key(0), batch)
    num_parameters = sum(leaf.size for leaf in jax.tree.leaves(params))
    for depth in (1, 3, 9):
        rows = parts(experiment, num_joints=5, depth=depth)
        assert sum(row.num_parameters for row in rows) == num_parameters
        assert len({row.name for row in rows}) == len(rows)
        for row in rows:
            assert row.num_parameters == sum(int(np.prod(shape)) for shape in row.shapes.values())


def test_depth_chooses_how_far_names_go(experiment):
    assert [row.name for row in parts(experiment, num_joints=5, depth=1)] == ["motion", "text"]
    assert {row.name for row in parts(experiment, num_joints=5, depth=2)} >= {"motion/gru", "text/backbone"}


@pytest.mark.parametrize(("asked", "message"), [({"num_joints": 0}, "num_joints is 0"), ({"depth": 0}, "depth is 0")])
def test_numbers_below_one_are_refused(experiment, asked, message):
    with pytest.raises(ConfigError, match=f"{message}; give 1 or more"):
        parts(experiment, **asked)


def test_parameters_of_the_seed_at_its_defaults(seed_experiment):
    rows = {row.name: row for row in parts(seed_experiment, num_joints=25, depth=2)}
    convolutions = [name for name in rows if name.startswith(("motion/conv", "motion/norm"))]
    assert sum(rows[name].num_parameters for name in convolutions) == 39_552
    assert rows["motion/gru"].num_parameters == 1_773_568
    assert rows["motion/head"].num_parameters == 197_120
    assert rows["text/backbone"].trainable == 2_361_600


def test_frozen_parameters_are_not_trainable(experiment):
    frozen = dataclasses.replace(experiment, task=dataclasses.replace(experiment.task, freeze=Freeze("everything")))
    rows = {row.name: row for row in parts(frozen, num_joints=5, depth=2)}
    assert rows["text/backbone"].trainable == 0 < rows["text/backbone"].num_parameters
    assert rows["text/head"].trainable == rows["text/head"].num_parameters


def test_parameters_whose_group_is_frozen_are_not_trainable(experiment):
    optimizer = AdamW(groups=(Group(pattern="^text/", lr_scale=None), Group(pattern="")))
    frozen = dataclasses.replace(experiment, task=dataclasses.replace(experiment.task, optimizer=optimizer))
    rows = {row.name: row for row in parts(frozen, num_joints=5, depth=1)}
    assert rows["text"].trainable == 0 < rows["text"].num_parameters
    assert rows["motion"].trainable == rows["motion"].num_parameters


def test_totals_add_up_and_count_operations(experiment):
    sums = totals(experiment, num_joints=5)
    assert sums["parameters"] == sums["parameters/motion"] + sums["parameters/text"] == sums["parameters/trainable"]
    longer = dataclasses.replace(experiment, data=MotionText(num_frames=16, max_tokens=6))
    more = totals(longer, num_joints=5)
    assert 0 < sums["flops/motion"] < more["flops/motion"]
    assert sums["flops/text"] == more["flops/text"] > 0


def test_parameters_that_train_are_counted_by_stage(experiment):
    stages = (Stage(epochs=1, pattern="^text/head/"), Stage(epochs=2, pattern="^motion/"))
    staged = dataclasses.replace(experiment, loop=Loop(epochs=3, stages=stages))
    sums, rows = totals(staged, num_joints=5), parts(experiment, num_joints=5, depth=2)
    head = sum(row.num_parameters for row in rows if row.name.startswith("text/head"))
    motion = sum(row.num_parameters for row in rows if row.name.startswith("motion/"))
    assert sums["parameters/trainable/stage_0"] == head > 0
    assert sums["parameters/trainable/stage_1"] == sums["parameters/trainable"] == head + motion


def test_parameters_of_clip_and_what_each_stage_of_its_recipe_trains():
    sums = totals(read_config(Path(__file__).parents[2] / "configs/clip_har/base.py"))
    assert sums["parameters/visual"] == 87_849_216  # ViT-B/32 with its projection
    assert sums["parameters/head"] == 135_183
    new = 135_183 + 131_712 + 1_051_136  # head, adapter and temporal fusion
    block = 4 * (768 * 768 + 768) + 2 * 2 * 768 + 2 * 768 * 3072 + 3072 + 768
    stages = [sums[f"parameters/trainable/stage_{stage}"] for stage in range(3)]
    assert stages == [new, new + 2 * block + 2 * 768 + 768 * 512, sums["parameters"]]
    assert sums["parameters"] == new + sums["parameters/visual"]


def test_each_player_is_counted_by_its_own_optimizer(sign_task, sign_settings):
    generating = AdamW(groups=(Group(pattern="^text/", lr_scale=None), Group(pattern="^generator/")))
    task = dataclasses.replace(
        sign_task, optimizer=generating, critic_optimizer=AdamW(groups=(Group(pattern="", lr_scale=None),))
    )
    rows = {row.name: row for row in parts(Experiment(task=task, data=sign_settings), depth=1)}
    assert rows["critic"].trainable == rows["text"].trainable == 0
    assert rows["generator"].trainable == rows["generator"].num_parameters > 0
