import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxmm.encoders.tcn import MultiStageTcn
from jaxmm.errors import ConfigError
from jaxmm.tasks.segmentation import SegmentationTask

from .labelled import HORIZON, LENGTHS, NUM_LABELS, QUICK, SETTINGS, assert_trees_close, make_batch, spoilt, streamed

TASK = SegmentationTask(
    head=MultiStageTcn(num_labels=NUM_LABELS, num_stages=2, num_layers=2, dim=8, dropout_rate=0.0, causal=True),
    optimizer=QUICK,
)
STEP, SCORE = jax.jit(TASK.train_step), jax.jit(TASK.eval_step)


@pytest.fixture(scope="module")
def state():
    return jax.jit(TASK.init, static_argnums=2)(jax.random.key(0), make_batch(), HORIZON)


def test_it_learns_what_frames_show(state):
    batch, before = make_batch(), SCORE(state, make_batch())
    for _ in range(25):
        state, metrics = STEP(state, batch)
    assert float(metrics["loss"]) < float(before["loss"]) / 2
    assert float(before["accuracy"]) < 0.7 < 0.9 < float(metrics["accuracy"])
    found = jax.jit(TASK.answer)(state.params, state.collections, batch).argmax(axis=-1)
    right = np.asarray(found == batch["labels"])[np.asarray(batch["frame_mask"])].mean()
    assert right == pytest.approx(float(SCORE(state, batch)["accuracy"]), abs=1e-6)


def test_loss_and_accuracy_are_means_over_frames_and_not_over_videos(state):
    whole = SCORE(state, make_batch())
    alone = [SCORE(state, make_batch(rows=[row])) for row in range(len(LENGTHS))]
    for name in ("loss", "accuracy"):
        values = [float(own[name]) for own in alone]
        assert float(whole[name]) == pytest.approx(np.average(values, weights=LENGTHS), abs=1e-5)
        assert abs(float(whole[name]) - np.mean(values)) > 1e-3


def test_frames_of_unseen_labels_count_in_no_loss(state):
    batch = make_batch(counts=[True, True, False, True])
    hidden = batch["frame_mask"] & ~batch["label_mask"]
    assert hidden.sum() > 5
    other = {**batch, "labels": jnp.where(hidden, 0, batch["labels"])}
    (after, metrics), (same, same_metrics) = STEP(state, batch), STEP(state, other)
    assert_trees_close((same, same_metrics), (after, metrics))
    assert abs(float(metrics["loss"]) - float(STEP(state, make_batch())[1]["loss"])) > 1e-4


def test_padding_is_in_no_loss_and_no_gradient(state):
    batch = make_batch()
    assert_trees_close(STEP(state, spoilt(batch)), STEP(state, batch))


def test_all_stages_are_taught(state):
    after, _ = STEP(state, make_batch())
    moved = jax.tree.map(lambda new, old: float(jnp.abs(new - old).max()), after.params, state.params)
    assert min(jax.tree.leaves(moved)) > 1e-4


@pytest.mark.parametrize("chunks", [[1] * 6, [4, 1, 8]], ids=["frame_by_frame", "uneven"])
def test_a_stream_is_answered_as_the_whole_video(state, chunks):
    batch = {name: rows[:1, : sum(chunks)] for name, rows in make_batch().items() if rows.ndim > 1}
    whole = jax.jit(TASK.answer)(state.params, state.collections, batch)
    np.testing.assert_allclose(streamed(TASK, state, batch, chunks), whole, atol=1e-5)
    assert whole.shape == (1, sum(chunks), NUM_LABELS)


def test_what_is_not_causal_is_not_streamed(state):
    task = dataclasses.replace(TASK, head=TASK.head.clone(causal=False))
    assert (task.context, TASK.context) == ((6, 6), (12, 0))
    with pytest.raises(ConfigError, match="cannot be streamed"):
        task.answer_next(state.params, state.collections, make_batch(), {})


def test_data_of_another_number_of_labels_are_refused(cache, tmp_path):
    del cache
    data = SETTINGS.open(tmp_path)
    with pytest.raises(ConfigError, match=r"knows 4 labels, but the data have 27; set num_labels of the task to 27"):
        TASK.check_data(data)
    dataclasses.replace(TASK, head=TASK.head.clone(num_labels=27)).check_data(data)


@pytest.mark.parametrize("smoothing", [-0.1, float("nan")])
def test_a_negative_smoothing_is_refused(smoothing):
    with pytest.raises(ConfigError, match=rf"task\.smoothing is {smoothing}; give 0 or more"):
        SegmentationTask(smoothing=smoothing)
