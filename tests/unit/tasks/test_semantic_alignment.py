import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxmm.data.segmented import SegmentedVideos
from jaxmm.encoders.tcn import FrameProjector, TemporalConvNet
from jaxmm.errors import ConfigError, WeightsError
from jaxmm.evaluate.alignment import alignment_scores
from jaxmm.tasks.semantic_alignment import SemanticAlignmentTask
from jaxmm.tasks.semantics import Semantics
from jaxmm.weights.label_embeddings import write_label_embeddings

from .labelled import HORIZON, LENGTHS, NUM_LABELS, QUICK, SETTINGS, assert_trees_close, make_batch, spoilt, streamed

EMBEDDINGS = np.random.default_rng(7).normal(size=(NUM_LABELS, 8)).astype(np.float32)
TASK = SemanticAlignmentTask(
    encoder=TemporalConvNet(dims=(8,), dropout_rate=0.0, causal=True),
    projector=FrameProjector(hidden_dim=16, embedding_dim=8, dropout_rate=0.0),
    num_labels=NUM_LABELS,
    optimizer=QUICK,
)
STEP, SCORE = jax.jit(TASK.train_step), jax.jit(TASK.eval_step)


@pytest.fixture(scope="module")
def state():
    state = jax.jit(TASK.init, static_argnums=2)(jax.random.key(0), make_batch(), HORIZON)
    collections = {**state.collections, "semantics": {"embeddings": jnp.asarray(EMBEDDINGS)}}
    return dataclasses.replace(state, collections=collections)


@pytest.fixture(scope="module")
def videos(cache, tmp_path_factory):
    del cache
    return SETTINGS.open(tmp_path_factory.mktemp("assets"))


def test_it_learns_what_frames_show(state):
    batch, before = make_batch(), float(SCORE(state, make_batch())["loss"])
    for _ in range(25):
        state, metrics = STEP(state, batch)
    assert float(metrics["loss"]) < before / 2
    features = np.asarray(jax.jit(TASK.answer)(state.params, state.collections, batch))
    own = [features[row, :length] for row, length in enumerate(LENGTHS)]
    labels = [np.asarray(batch["labels"][row, :length]) for row, length in enumerate(LENGTHS)]
    assert alignment_scores(own, labels, EMBEDDINGS)["all/accuracy@1"] > 0.8
    # Embeddings are what is learnt from, and not what learns.
    np.testing.assert_array_equal(state.collections["semantics"]["embeddings"], EMBEDDINGS)
    assert set(state.params) == {"encoder", "projector"}


def test_the_loss_is_the_mean_over_frames_and_not_over_videos(state):
    whole = float(SCORE(state, make_batch())["loss"])
    alone = [float(SCORE(state, make_batch(rows=[row]))["loss"]) for row in range(len(LENGTHS))]
    assert whole == pytest.approx(np.average(alone, weights=LENGTHS), abs=1e-5)
    assert abs(whole - np.mean(alone)) > 1e-3


def test_frames_of_unseen_labels_count_in_no_loss(state):
    batch = make_batch(counts=[True, True, False, True])
    hidden = batch["frame_mask"] & ~batch["label_mask"]
    assert hidden.sum() > 5
    assert TASK.counts(batch).tolist() == (np.array(LENGTHS) - np.asarray(hidden.sum(axis=1))).tolist()
    embeddings = jnp.asarray(EMBEDDINGS).at[2].set(1e3)
    other = dataclasses.replace(state, collections={**state.collections, "semantics": {"embeddings": embeddings}})
    (after, metrics), (same, same_metrics) = STEP(state, batch), STEP(other, batch)
    assert float(metrics["loss"]) == pytest.approx(float(same_metrics["loss"]), abs=1e-6)
    assert_trees_close(same.params, after.params)
    assert abs(float(metrics["loss"]) - float(STEP(state, make_batch())[1]["loss"])) > 1e-4


def test_padding_is_in_no_loss_no_gradient_and_no_statistic(state):
    batch, longer = make_batch(), make_batch(num_frames=32)
    (after, metrics), (same, same_metrics) = STEP(state, batch), STEP(state, spoilt(batch))
    assert_trees_close((same, same_metrics), (after, metrics))
    moved = after.collections["encoder"]["batch_stats"]["level_0_norm_0"]
    padded = STEP(state, spoilt(longer))[0].collections["encoder"]["batch_stats"]["level_0_norm_0"]
    assert_trees_close(padded, moved)
    assert np.abs(moved["mean"]).max() > 1e-3


def test_a_row_that_only_fills_up_changes_nothing(state):
    batch = make_batch(rows=range(2))
    filled = jax.tree.map(lambda rows: jnp.pad(rows, [(0, 1)] + [(0, 0)] * (rows.ndim - 1)), batch)
    assert TASK.counts(filled).tolist() == [*LENGTHS[:2], 0]
    assert float(SCORE(state, filled)["loss"]) == pytest.approx(float(SCORE(state, batch)["loss"]), abs=1e-6)


@pytest.mark.parametrize("chunks", [[1] * 6, [4, 1, 8]], ids=["frame_by_frame", "uneven"])
def test_a_stream_is_answered_as_the_whole_video(state, chunks):
    batch = {name: rows[:1, : sum(chunks)] for name, rows in make_batch().items() if rows.ndim > 1}
    whole = jax.jit(TASK.answer)(state.params, state.collections, batch)
    np.testing.assert_allclose(streamed(TASK, state, batch, chunks), whole, atol=1e-5)


def test_what_is_not_causal_is_not_streamed(state):
    task = dataclasses.replace(TASK, encoder=TASK.encoder.clone(causal=False))
    assert (task.context, TASK.context) == ((2, 2), (4, 0))
    with pytest.raises(ConfigError, match="cannot be streamed"):
        task.answer_next(state.params, state.collections, make_batch(), {})


def test_embeddings_of_the_datas_labels_are_put_in(videos):
    task = SemanticAlignmentTask(
        encoder=TASK.encoder,
        projector=FrameProjector(hidden_dim=8, embedding_dim=16),
        semantics=Semantics(source="words", words_dim=16),
        num_labels=videos.vocabulary.num_labels,
    )
    task.check_data(videos)
    collections = {"encoder": {}, "semantics": {"embeddings": np.zeros((27, 16), np.float32)}}
    params, found = task.load_pretrained({"encoder": {}}, collections, videos)
    assert params == {"encoder": {}}
    np.testing.assert_array_equal(found["semantics"]["embeddings"], task.semantics(videos.vocabulary))
    assert found["encoder"] == {}
    wrong = dataclasses.replace(task, projector=FrameProjector(embedding_dim=12))
    message = r"task\.projector\.embedding_dim is 12, but embeddings of words have 16 numbers; set it to 16"
    with pytest.raises(ConfigError, match=message):
        wrong.load_pretrained(params, collections, videos)


def test_a_label_that_the_file_lacks_is_named(videos, tmp_path):
    labels = videos.vocabulary.labels
    write_label_embeddings(tmp_path / "some.npz", {label: np.ones(8) for label in labels[1:]})
    task = dataclasses.replace(TASK, semantics=Semantics(source=str(tmp_path / "some.npz")))
    with pytest.raises(WeightsError, match=rf"some\.npz: has no embedding of {labels[0]}; add it"):
        task.load_pretrained({}, {}, videos)


def test_other_data_are_refused(data, videos):
    with pytest.raises(ConfigError, match=r"knows 4 labels, but the data have 27; set num_labels of the task to 27"):
        TASK.check_data(videos)
    with pytest.raises(ConfigError, match=r"data are MotionText; SemanticAlignmentTask learns from SegmentedVideos"):
        TASK.check_data(data)


@pytest.mark.parametrize(("field", "value"), [("alpha", 1.5), ("alpha", float("nan")), ("num_labels", 0)])
def test_numbers_out_of_range_are_refused(field, value):
    with pytest.raises(ConfigError, match=rf"task\.{field} is {value}; give"):
        SemanticAlignmentTask(**{field: value})


def test_a_state_has_the_shapes_of_the_data():
    batch = SegmentedVideos().blank_batch()
    params, collections = jax.eval_shape(SemanticAlignmentTask().init_variables, jax.random.key(0), batch)
    assert params["encoder"]["level_0_conv_0"]["conv"]["kernel"].shape == (3, 32, 512)
    assert collections["semantics"]["embeddings"].shape == (19, 384)
