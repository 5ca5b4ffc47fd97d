"""What was saved comes back bit-equal, and not into a model, an optimizer or data that it does not fit."""

import dataclasses
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxmm.checkpoint import Checkpoints
from jaxmm.errors import CheckpointError
from jaxmm.snapshot import state_sha256, tree_sha256

from .conftest import assert_same, at_step, saved, state_at, stream


def test_a_state_and_the_place_in_the_data_come_back_bit_equal(run):
    batches = stream()
    with Checkpoints(run) as checkpoints:
        restored = checkpoints.restore(state_at(0), batches, step=4)
    assert_same(restored, state_at(4))
    assert restored.horizon == state_at(0).horizon
    assert list(itertools.islice(batches, 5)) == list(itertools.islice(at_step(4), 5))


def test_a_model_comes_back_as_numpy_without_knowing_its_shapes(run):
    with Checkpoints(run) as checkpoints:
        params, collections = checkpoints.restore_model(4)
    assert_same(params, state_at(4).params)
    assert_same(collections, state_at(4).collections)
    assert all(isinstance(leaf, np.ndarray) for leaf in jax.tree.leaves((params, collections)))


def test_a_sound_checkpoint_is_verified_by_its_digest(run):
    with Checkpoints(run) as checkpoints:
        assert checkpoints.verify(4) == state_sha256(state_at(4))


@pytest.mark.parametrize(
    "change",
    [
        lambda state: dataclasses.replace(state, step=state.step + 1),
        lambda state: dataclasses.replace(state, key=state.key[::-1]),
        lambda state: dataclasses.replace(state, collections={}),
        lambda state: dataclasses.replace(state, params={"motion": {"other": state.params["motion"]["kernel"]}}),
        lambda state: dataclasses.replace(state, opt_state=jax.tree.map(lambda x: x.reshape(-1, 1), state.opt_state)),
        lambda state: dataclasses.replace(state, params=jax.tree.map(lambda x: x.view(jnp.int32), state.params)),
    ],
)
def test_the_digest_covers_names_types_shapes_and_values(change):
    assert state_sha256(state_at(4)) == state_sha256(state_at(4)) != state_sha256(change(state_at(4)))


def test_the_digest_of_a_tree_changes_with_names_and_values_and_not_with_order():
    tree = {"a": np.ones(2), "b": np.zeros(2)}
    assert tree_sha256(tree) == tree_sha256(dict(reversed(tree.items())))
    others = [{"a": np.zeros(2), "b": np.ones(2)}, {"a": np.ones(2)}, {"c": tree}]
    assert len({tree_sha256(tree), *map(tree_sha256, others)}) == 4


# What does not fit


@pytest.mark.parametrize(
    ("like", "message"),
    [
        (
            {"width": 10},
            r"params/motion/kernel is float32\[2000\], but the config asks for float32\[10\]; restore with",
        ),
        ({"dtype": np.float16}, r"\w+/motion/.* is float32\[3\], but the config asks for float16\[3\]"),
        ({"name": "weight"}, r"params/motion/kernel is float32\[2000\], but the config asks for nothing; restore with"),
    ],
)
def test_a_model_of_another_shape_is_refused_by_the_name_of_the_field(like, message, run):
    with Checkpoints(run) as checkpoints, pytest.raises(CheckpointError, match=message):
        checkpoints.restore(state_at(0, **like), stream(), step=4)


@pytest.mark.parametrize(
    "opt_state",
    [(), ({"mu": jnp.zeros(7)}, jnp.int32(0)), ({"nu": jnp.zeros(2000)}, jnp.int32(0))],
    ids=["none", "shape", "name"],
)
def test_an_optimizer_of_another_shape_is_refused(opt_state, run):
    like = dataclasses.replace(state_at(0), opt_state=opt_state)
    with Checkpoints(run) as checkpoints, pytest.raises(CheckpointError, match=r"checkpoints/4: .*opt_state"):
        checkpoints.restore(like, stream(), step=4)


def test_an_optimizer_of_another_type_is_refused_and_not_cast(run):
    like = dataclasses.replace(state_at(0), opt_state=({"mu": jnp.zeros(2000, jnp.float16)}, jnp.int32(0)))
    with Checkpoints(run) as checkpoints, pytest.raises(CheckpointError, match=r"opt_state.*float16"):
        checkpoints.restore(like, stream(), step=4)


def test_a_step_that_is_absent_is_refused(run):
    with Checkpoints(run) as checkpoints:
        for read in (checkpoints.verify, checkpoints.restore_model):
            with pytest.raises(CheckpointError, match=r"checkpoints/7"):
                read(7)
        with pytest.raises(CheckpointError, match=r"checkpoints/7"):
            checkpoints.restore(state_at(0), stream(), step=7)


def test_a_sound_step_that_does_not_fit_is_an_error_and_not_passed_over(tmp_path):
    run = saved(tmp_path, 1, 2, keep=2)
    with Checkpoints(run, keep=2) as checkpoints:
        with pytest.raises(CheckpointError, match="the config asks for"):
            checkpoints.resume(state_at(0, width=10), stream())
        assert checkpoints.steps() == [1, 2]


def test_other_data_are_refused_by_the_name_of_the_field(tmp_path):
    print_of = {"seed": 1, "data": {"fps": 20.0, "size": (1, 2), "motions": {"walk": {"frames": "ab"}}}}
    run = saved(tmp_path, 4, fingerprint=print_of)
    with Checkpoints(run, fingerprint=print_of) as checkpoints:
        assert_same(checkpoints.restore(state_at(0), stream(), step=4), state_at(4))
    other = {"seed": 2, "data": {"fps": 20.0, "size": (1, 2), "motions": {"run": {"frames": "ab"}}}}
    with Checkpoints(run, fingerprint=other) as checkpoints, pytest.raises(CheckpointError) as caught:
        checkpoints.resume(state_at(0), stream())
    assert [line.strip() for line in str(caught.value).splitlines()[1:]] == [
        "seed: 1 -> 2",
        'data.motions.walk.frames: "ab" -> (absent)',
        'data.motions.run.frames: (absent) -> "ab"',
    ]
