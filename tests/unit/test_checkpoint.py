import dataclasses
import itertools

import grain
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxmm.checkpoint import Checkpoints, state_sha256, tree_sha256
from jaxmm.errors import CheckpointError
from jaxmm.numerics import Guard
from jaxmm.optim import Horizon
from jaxmm.state import TrainState

METRIC = "val/recall"


def state_at(step, *, width=2000, dtype=np.float32, name="kernel"):
    """A state whose arrays are large enough to lie in files of their own."""
    rng = np.random.default_rng(step)

    def array(*shape):
        return jnp.asarray(rng.normal(size=shape).astype(dtype))

    return TrainState(
        step=jnp.int32(step),
        params={"motion": {name: array(width), "bias": array(3)}},
        collections={"motion": {"batch_stats": {"mean": array(3)}}},
        opt_state=({"mu": array(width)}, jnp.int32(step)),
        key=jax.random.key_data(jax.random.key(step)),
        guards={"all": Guard.fresh()},
        horizon=Horizon(epochs=2, steps_per_epoch=5),
    )


def stream():
    return iter(grain.MapDataset.range(100).seed(1).shuffle().to_iter_dataset())


def at_step(step):
    batches = stream()
    for _ in range(step):
        next(batches)
    return batches


def saved(run, *steps, scores=None, **settings):
    with Checkpoints(run, **settings) as checkpoints:
        for step in steps:
            checkpoints.save(state_at(step), at_step(step), {} if scores is None else {METRIC: scores[step]})
    return run


def assert_same(ours, theirs):
    assert jax.tree.structure(ours) == jax.tree.structure(theirs)
    for a, b in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
        assert (a.dtype, a.shape) == (b.dtype, b.shape)
        np.testing.assert_array_equal(a, b)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run with one checkpoint, not to be changed."""
    return saved(tmp_path_factory.mktemp("run"), 4)


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


# Which checkpoints stay


def test_only_the_newest_stay(tmp_path):
    saved(tmp_path / "one", 1, 2, 3)
    saved(tmp_path / "two", 1, 2, 3, keep=2)
    with Checkpoints(tmp_path / "one") as one, Checkpoints(tmp_path / "two") as two:
        assert (one.steps(), two.steps()) == ([3], [2, 3])


def test_the_best_stays_besides_the_newest(tmp_path):
    saved(tmp_path, 1, 2, 3, 4, best_metric=METRIC, scores={1: 0.1, 2: 0.9, 3: 0.3, 4: 0.5})
    with Checkpoints(tmp_path, best_metric=METRIC) as checkpoints:
        assert checkpoints.steps() == [2, 4]
        assert checkpoints.choose("best") == 2
        assert checkpoints.choose("last") == 4


def test_a_better_one_takes_the_place_of_the_best_also_after_a_restart(tmp_path):
    scores = {1: 0.4, 2: 0.2, 3: 0.6, 4: 0.5}
    for step in scores:
        saved(tmp_path, step, best_metric=METRIC, scores=scores)
    with Checkpoints(tmp_path, best_metric=METRIC) as checkpoints:
        assert checkpoints.steps() == [3, 4]
        assert checkpoints.choose("best") == 3


def test_choosing_needs_a_checkpoint_that_is_there(run, tmp_path):
    with Checkpoints(tmp_path) as checkpoints, pytest.raises(CheckpointError, match="holds no checkpoint yet; train"):
        checkpoints.choose("last")
    with Checkpoints(run) as checkpoints:
        assert checkpoints.choose("last") == checkpoints.choose("4") == 4
        with pytest.raises(
            CheckpointError, match=r"the run keeps no best checkpoint; set loop.best_metric, or use last"
        ):
            checkpoints.choose("best")
        for which in ("5", "-4", "newest", ""):
            with pytest.raises(CheckpointError, match=rf"no checkpoint '{which}'; choose last, best or one of \[4\]"):
                checkpoints.choose(which)


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


# What was altered


def array_files(run, item):
    """Files that hold values of arrays, largest first."""
    files = [path for path in (run / "checkpoints" / "4" / item).rglob("*") if path.is_file() and "d" in path.parts]
    return sorted(files, key=lambda path: -path.stat().st_size)


# When Orbax gives up on one array it leaves the reads of the others unfinished, of which Python complains.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.filterwarnings("ignore:coroutine:RuntimeWarning")
@pytest.mark.parametrize("item", ["model", "training"])
@pytest.mark.parametrize("damage", ["flip", "cut", "remove"])
def test_altered_arrays_are_never_restored(item, damage, tmp_path):
    run = saved(tmp_path, 4)
    path = array_files(run, item)[0]
    content = bytearray(path.read_bytes())
    assert len(content) > 4000
    if damage == "remove":
        path.unlink()
    else:
        content[len(content) // 2] ^= 1
        path.write_bytes(content[: len(content) // 2] if damage == "cut" else content)
    with Checkpoints(run) as checkpoints:
        for read in (
            lambda: checkpoints.verify(4),
            lambda: checkpoints.restore(state_at(0), stream(), step=4),
            *([lambda: checkpoints.restore_model(4)] if item == "model" else []),
        ):
            with pytest.raises(CheckpointError, match=r"checkpoints/4: .*delete it"):
                read()


def test_an_altered_digest_is_noticed(tmp_path):
    run = saved(tmp_path, 4)
    (path,) = [path for path in (run / "checkpoints" / "4" / "digest").iterdir() if "metadata" in path.name]
    text = path.read_text()
    assert state_sha256(state_at(4)) in text
    path.write_text(text.replace(state_sha256(state_at(4))[:8], "00000000"))
    with Checkpoints(run) as checkpoints, pytest.raises(CheckpointError, match=r"checkpoints/4: .*delete it"):
        checkpoints.verify(4)
    path.write_text("{")
    with Checkpoints(run) as checkpoints, pytest.raises(CheckpointError, match=r"checkpoints/4: .*delete it"):
        checkpoints.verify(4)


def test_an_altered_place_in_the_data_is_noticed(tmp_path):
    run = saved(tmp_path, 4)
    (path,) = (run / "checkpoints" / "4" / "data").glob("*.json")
    assert '"next_index": 4' in path.read_text()
    path.write_text(path.read_text().replace('"next_index": 4', '"next_index": 5'))
    with Checkpoints(run) as checkpoints, pytest.raises(CheckpointError, match=r"checkpoints/4"):
        checkpoints.restore(state_at(0), stream(), step=4)


def test_the_digest_of_a_tree_changes_with_names_and_values_and_not_with_order():
    tree = {"a": np.ones(2), "b": np.zeros(2)}
    assert tree_sha256(tree) == tree_sha256(dict(reversed(tree.items())))
    others = [{"a": np.zeros(2), "b": np.ones(2)}, {"a": np.ones(2)}, {"c": tree}]
    assert len({tree_sha256(tree), *map(tree_sha256, others)}) == 4
