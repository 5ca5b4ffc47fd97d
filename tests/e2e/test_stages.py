"""Fine-tuning in stages, as a user runs it: what learns when, what stays to the bit, what the optimizer keeps."""

import dataclasses
import re
from pathlib import Path

import jax
import numpy as np
import optax
import pytest

from jaxmm.checkpoint import Checkpoints
from jaxmm.experiment import read_config
from jaxmm.model import ASSETS_FOLDER
from jaxmm.optim import path_name

CONFIG = "configs/clip_har/stages.py"
SEEN_IN_ONE_FRAME = 1 / 2  # how a shape looks is told by one frame, which of two ways it moves by none
STARTS = ("^(adapter|temporal|head)/", "^visual/(layer_1|post_norm|projection)/", "^visual/")


def stage_of(name):
    """The stage in which a parameter begins to learn."""
    return next(stage for stage, pattern in enumerate(STARTS) if re.match(pattern, name))


@pytest.fixture(scope="module")
def trained(jaxmm, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "stages"
    jaxmm("train", CONFIG, "--workdir", folder)
    return folder


@dataclasses.dataclass(frozen=True)
class Moment:
    """Parameters at the start of a run or the end of a stage, with how many updates each has had, and its moments."""

    step: int
    values: dict[str, np.ndarray]
    counts: dict[str, int]
    moments: dict[str, np.ndarray]

    @classmethod
    def of(cls, state):
        def is_adam(node):
            return isinstance(node, optax.ScaleByAdamState)

        adams = [node for node in jax.tree.leaves(state.opt_state, is_leaf=is_adam) if is_adam(node)]
        moments = [(own, named(own.mu), named(own.nu)) for own in adams]
        return cls(
            step=int(state.step),
            values=named(state.params),
            counts={name: int(own.count) for own, mean, _ in moments for name in mean},
            moments={name: np.stack([mean[name], squares[name]]) for _, mean, squares in moments for name in mean},
        )


def named(tree):
    return {path_name(path): np.asarray(leaf) for path, leaf in jax.tree_util.tree_leaves_with_path(tree)}


@pytest.fixture(scope="module")
def moments(trained) -> list[Moment]:
    experiment = read_config(Path(__file__).resolve().parents[2] / CONFIG)
    data = experiment.data.open(trained / ASSETS_FOLDER)
    horizon = experiment.loop.horizon(steps_per_epoch=data.steps_per_epoch)
    start = jax.jit(experiment.task.init, static_argnums=2)
    state = start(jax.random.key(experiment.seed), data.sample_batch(), horizon)
    kept = Checkpoints(trained, writable=False, fingerprint=data.fingerprint(seed=experiment.seed))
    ends = [dataclasses.replace(horizon, stage=stage).until for stage in range(len(STARTS))]
    assert kept.steps() == ends
    return [Moment.of(state), *(Moment.of(kept.restore(state, None, step=step)) for step in ends)]


def test_parameters_in_training_are_those_of_the_stage_by_hand(jaxmm_json):
    dim, inside, features, bottleneck, hidden, classes = 32, 64, 32, 8, 32, 4
    adapter = 2 * features * bottleneck + bottleneck + features
    pooling = 8 * hidden + features * hidden + hidden + features * hidden + hidden  # moment, key, value and query
    temporal = pooling + 3 * features * hidden + 4 * hidden * hidden + hidden * features
    head = features * features // 2 + features // 2 + features // 2 * classes + classes
    block = 4 * (dim * dim + dim) + 2 * 2 * dim + 2 * dim * inside + inside + dim
    patches = 8 * 8 * 3 * dim + dim + (4 * 4 + 1) * dim + 2 * dim  # with class token, positions and normalisation
    counts = jaxmm_json("inspect", CONFIG)
    first, second = adapter + temporal + head, block + 2 * dim + dim * features
    assert counts["parameters/trainable/stage_0"] == first
    assert counts["parameters/trainable/stage_1"] == first + second
    assert counts["parameters/trainable/stage_2"] == first + second + patches + block == counts["parameters"]


@pytest.mark.parametrize("stage", range(len(STARTS)))
def test_a_stage_changes_its_own_parameters_and_leaves_the_others_to_the_bit(moments, stage):
    before, after = moments[stage : stage + 2]
    for name, value in before.values.items():
        if stage_of(name) > stage:
            np.testing.assert_array_equal(after.values[name], value, err_msg=name)
        elif name.endswith("kernel"):
            assert not np.array_equal(after.values[name], value), name


def test_the_optimizer_goes_on_with_what_it_knows_and_begins_the_rest_afresh(moments):
    begun_at = [moment.step for moment in moments]
    for moment in moments:
        assert moment.counts.keys() == moment.values.keys()
        for name, count in moment.counts.items():
            assert count == max(0, moment.step - begun_at[stage_of(name)]), name
            if not count:
                assert not moment.moments[name].any(), name
            elif name.endswith("kernel"):
                assert moment.moments[name].any(), name


def test_it_learns_more_than_frames_tell_one_by_one(jaxmm_json, trained):
    scores = jaxmm_json("evaluate", trained, "--bootstrap", 200)
    assert scores["test/top1/low"] > SEEN_IN_ONE_FRAME
