import dataclasses
import errno
import itertools
import json
import shutil

import grain
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxmm.checkpoint import Checkpoints
from jaxmm.errors import CheckpointError, DamagedError, DiskFullError
from jaxmm.numerics import Guard
from jaxmm.optim import Horizon
from jaxmm.snapshot import state_sha256, tree_sha256
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


def test_the_best_may_be_the_smallest(tmp_path):
    scores = {1: 0.4, 2: 0.2, 3: float("nan"), 4: 0.5}
    saved(tmp_path, *scores, best_metric=METRIC, best_is="smaller", scores=scores)
    with Checkpoints(tmp_path, best_metric=METRIC, best_is="smaller") as checkpoints:
        assert checkpoints.steps() == [2, 4]
        assert checkpoints.choose("best") == 2
        assert checkpoints.scores(2)[METRIC] == 0.2
        assert checkpoints.scores(3) == {}


def test_some_stay_for_good(tmp_path):
    saved(tmp_path, 2, 3, 4, 5, 6, 7, keep_every=3)
    with Checkpoints(tmp_path) as checkpoints:
        assert checkpoints.steps() == [3, 6, 7]


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


# What was damaged


def files_of(run, step=4):
    folder = run / "checkpoints" / str(step)
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def flip(path, *, place=0.5):
    content = bytearray(path.read_bytes())
    content[int(place * len(content))] ^= 1
    path.write_bytes(content)


def readers(checkpoints, step=4):
    return (
        lambda: checkpoints.verify(step),
        lambda: checkpoints.restore(state_at(0), stream(), step=step),
        lambda: checkpoints.restore_model(step),
        lambda: checkpoints.choose(str(step)),
    )


def test_every_file_of_a_step_stands_in_its_manifest_once(run):
    manifest = json.loads((run / "checkpoints/4/manifest.json").read_text())
    assert [*manifest["files"], "manifest.json"] == sorted(files_of(run), key=lambda name: name == "manifest.json")
    assert manifest["state_sha256"] == state_sha256(state_at(4))


@pytest.mark.parametrize("item", ["model", "training", "data", "fingerprint.json", "manifest.json"])
@pytest.mark.parametrize("damage", ["flip", "cut", "remove"])
def test_a_damaged_file_is_never_read_and_is_named(item, damage, tmp_path):
    run = saved(tmp_path, 4)
    name = max(
        (name for name in files_of(run) if name.startswith(item)),
        key=lambda name: (run / "checkpoints/4" / name).stat().st_size,
    )
    path = run / "checkpoints/4" / name
    if damage == "flip":
        flip(path)
    elif damage == "cut":
        path.write_bytes(path.read_bytes()[:-1])
    else:
        path.unlink()
    with Checkpoints(run) as checkpoints:
        assert len(checkpoints.damage(4)) == 1
        for read in readers(checkpoints):
            with pytest.raises(DamagedError, match=rf"checkpoints/4/{name}: (its|is|holds)"):
                read()


def test_a_step_under_another_number_is_noticed(tmp_path):
    run = saved(tmp_path, 4)
    (run / "checkpoints/4").rename(run / "checkpoints/5")
    with Checkpoints(run) as checkpoints, pytest.raises(DamagedError, match="checkpoints/5: is step 4, renamed"):
        checkpoints.verify(5)


def test_a_state_that_was_written_wrongly_is_noticed_though_its_files_are_sound(tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr("jaxmm.snapshot.state_sha256", lambda _: "0" * 64)
        run = saved(tmp_path, 4)
    with Checkpoints(run) as checkpoints:
        assert checkpoints.damage(4) == []
        for read in readers(checkpoints)[:2]:
            with pytest.raises(DamagedError, match=r"checkpoints/4: the arrays are not those that were saved"):
                read()


def test_training_goes_on_from_the_newest_sound_step_and_sets_damaged_ones_aside(tmp_path, caplog):
    run = saved(tmp_path, 1, 2, 3, 4, keep=4)
    flip(run / "checkpoints/4/manifest.json")
    flip(run / "checkpoints/3/data" / "process_0-of-1.json")
    whole = files_of(run, 3)
    batches = stream()
    with Checkpoints(run, keep=4) as checkpoints:
        assert_same(checkpoints.resume(state_at(0), batches), state_at(2))
        assert checkpoints.steps() == [1, 2]
        assert files_of(run, "damaged/3") == whole
        assert [record.levelname for record in caplog.records] == ["WARNING", "WARNING"]
        for step, name in ((4, "manifest.json"), (3, "data/process_0-of-1.json")):
            assert any(f"checkpoints/{step}/{name}: " in line and f"damaged/{step}" in line for line in caplog.messages)
        checkpoints.save(state_at(3), at_step(3), {})
        flip(run / "checkpoints/3/manifest.json")
        checkpoints.resume(state_at(0), batches)
    assert next(batches) == next(at_step(2))
    assert sorted(entry.name for entry in (run / "checkpoints/damaged").iterdir()) == ["3", "3-2", "4"]


def test_readers_pass_over_damaged_steps_and_move_nothing(tmp_path, caplog):
    run = saved(tmp_path, 1, 2, 3, best_metric=METRIC, keep=3, scores={1: 0.3, 2: 0.2, 3: 0.9})
    flip(run / "checkpoints/3/fingerprint.json", place=0)
    with Checkpoints(run, best_metric=METRIC, writable=False) as checkpoints:
        assert (checkpoints.choose("last"), checkpoints.choose("best")) == (2, 1)
        assert all("checkpoints/3/fingerprint.json: its content changed" in line for line in caplog.messages)
        assert len(caplog.messages) == 2
        assert checkpoints.steps() == [1, 2, 3]


def test_where_no_step_is_sound_all_are_named_and_none_is_moved(tmp_path):
    run = saved(tmp_path, 1, 2, keep=2)
    for step in (1, 2):
        flip(run / f"checkpoints/{step}/data/process_0-of-1.json")
    with Checkpoints(run, keep=2) as checkpoints:
        for read in (lambda: checkpoints.resume(state_at(0), stream()), lambda: checkpoints.choose("last")):
            with pytest.raises(CheckpointError, match=r"(?s)no checkpoint is sound; .*checkpoints/2/.*checkpoints/1/"):
                read()
        assert checkpoints.steps() == [1, 2]


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


# Saving through trouble


def test_a_step_that_is_saved_already_is_not_written_again(tmp_path):
    run = saved(tmp_path, 4)
    before = (run / "checkpoints/4/manifest.json").stat().st_ino
    saved(run, 4)
    assert (run / "checkpoints/4/manifest.json").stat().st_ino == before


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        ValueError("RESOURCE_EXHAUSTED: Error writing: No space left on device [OS error 28: ENOSPC]"),
    ],
)
def test_a_full_disk_leaves_the_older_steps_and_nothing_else(error, tmp_path, monkeypatch):
    run = saved(tmp_path, 4)

    def fail(*_):
        raise error

    with Checkpoints(run) as checkpoints:
        with monkeypatch.context() as patch:
            patch.setattr("jaxmm.snapshot.seal", fail)
            with pytest.raises(DiskFullError, match="checkpoints/5: the disk is full, so the step is not saved"):
                checkpoints.save(state_at(5), at_step(5), {})
        assert [entry.name for entry in (run / "checkpoints").iterdir()] == ["4"]
        checkpoints.save(state_at(5), at_step(5), {})
        assert checkpoints.steps() == [5]


def test_another_error_is_not_taken_for_a_full_disk(tmp_path, monkeypatch):
    def fail(*_):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("jaxmm.snapshot.seal", fail)
    with (
        Checkpoints(tmp_path) as checkpoints,
        pytest.raises(CheckpointError, match=r"cannot be saved .*denied") as caught,
    ):
        checkpoints.save(state_at(5), at_step(5), {})
    assert not isinstance(caught.value, DiskFullError)


def test_no_older_step_is_removed_for_one_that_the_disk_did_not_keep(tmp_path, monkeypatch):
    run = saved(tmp_path, 4)
    monkeypatch.setattr("jaxmm.checkpoint.damage", lambda _: ["model/d: its content changed"])
    with Checkpoints(run) as checkpoints:
        with pytest.raises(DamagedError, match="as soon as it was written; no older step is removed"):
            checkpoints.save(state_at(5), at_step(5), {})
        assert checkpoints.steps() == [4, 5]


def test_what_a_killed_save_left_goes_when_training_starts_and_not_when_a_reader_does(tmp_path):
    run = saved(tmp_path, 4)
    shutil.copytree(run / "checkpoints/4", run / "checkpoints/.partial/5.orbax-checkpoint-tmp")
    Checkpoints(run, writable=False)
    assert (run / "checkpoints/.partial").is_dir()
    Checkpoints(run)
    assert [entry.name for entry in (run / "checkpoints").iterdir()] == ["4"]


def test_the_digest_of_a_tree_changes_with_names_and_values_and_not_with_order():
    tree = {"a": np.ones(2), "b": np.zeros(2)}
    assert tree_sha256(tree) == tree_sha256(dict(reversed(tree.items())))
    others = [{"a": np.zeros(2), "b": np.ones(2)}, {"a": np.ones(2)}, {"c": tree}]
    assert len({tree_sha256(tree), *map(tree_sha256, others)}) == 4
