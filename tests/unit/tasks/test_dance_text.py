import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxmm.encoders.heads import ProjectionHead
from jaxmm.errors import ConfigError
from jaxmm.horizon import Horizon
from jaxmm.objectives.contrastive import symmetric_infonce
from jaxmm.objectives.settings import Contrastive
from jaxmm.optim import path_name, with_moving
from jaxmm.tasks.dance_text import DanceTextTask
from jaxmm.train.step import embed_rows, make_mesh
from jaxmm.weights import Freeze

ROWS = 4
HORIZON = Horizon(epochs=2, steps_per_epoch=3)


@pytest.fixture(scope="module")
def state(task, batch):
    """A state with random parameters; made of the shapes alone, which is quicker than running the initialisers."""
    shapes = jax.eval_shape(lambda key: task.init(key, batch, HORIZON), jax.random.key(0))
    rng = np.random.default_rng(0)
    return dataclasses.replace(
        jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes),
        params=jax.tree.map(
            lambda leaf: jnp.asarray(rng.normal(scale=0.3, size=leaf.shape), leaf.dtype), shapes.params
        ),
        collections=jax.tree.map(lambda leaf: jnp.ones(leaf.shape, leaf.dtype), shapes.collections),
    )


@pytest.fixture(scope="module")
def train(task, state):
    """A compiled step that trains all but most of the backbone, and the state before it."""
    optimizer = dataclasses.replace(task.optimizer, lr=0.02, end_lr=0.02)
    task = dataclasses.replace(task, optimizer=optimizer, freeze=Freeze.last_tensors(2))
    start = dataclasses.replace(
        state, opt_state=task.transform(state.params, HORIZON).init(task.moving(state.params, HORIZON))
    )
    return jax.jit(task.train_step), start


@pytest.fixture(scope="module")
def gradients(task, state):
    """Per-example losses and the gradients of their sum, in training."""

    def total(params, batch):
        losses, aux = task.loss(params, state.collections, batch, jax.random.key(1), train=True)
        return losses.sum(), (losses, aux)

    return jax.jit(jax.value_and_grad(total, has_aux=True))


@pytest.fixture(scope="module")
def evaluate(task, state):
    """Embeddings of both towers, the scores of a batch, and the collections after it."""

    def run(batch):
        _, (collections, _) = task.loss(state.params, state.collections, batch, jax.random.key(0), train=False)
        embed = (task.embed_motion, task.embed_text)
        embeddings = [tower(state.params, state.collections, batch) for tower in embed]
        return embeddings, task.eval_step(state, batch), collections

    return jax.jit(run)


def test_both_towers_end_in_unit_vectors_of_one_width(evaluate, batch):
    for embeddings in evaluate(batch)[0]:
        assert embeddings.shape == (ROWS, 8)
        np.testing.assert_allclose(np.linalg.norm(embeddings, axis=1), 1.0, atol=1e-5)


def test_padding_changes_no_embedding(evaluate, batch):
    junk = {
        **batch,
        "motion": jnp.where(batch["motion_mask"][:, :, None, None], batch["motion"], 7.0),
        "token_ids": jnp.where(batch["token_mask"], batch["token_ids"], 5),
    }
    for plain, padded in zip(evaluate(batch)[0], evaluate(junk)[0], strict=True):
        np.testing.assert_allclose(padded, plain, atol=1e-5)


def test_the_evaluation_loss_is_infonce_of_the_embeddings(evaluate, batch):
    embeddings, scores, _ = evaluate(batch)
    expected = symmetric_infonce(*embeddings, temperature=0.07).mean()
    assert float(scores["loss"]) == pytest.approx(float(expected), rel=1e-5)


def test_rows_that_fill_a_batch_change_neither_losses_gradients_nor_statistics(gradients, state, batch):
    mask = jnp.array([True, True, False, True])
    rng = np.random.default_rng(5)
    filler = {
        "motion": rng.normal(scale=9, size=batch["motion"].shape[1:]).astype(np.float32),
        "motion_mask": np.zeros(8, bool),
        "token_ids": rng.integers(1, 64, size=6).astype(np.int32),
        "token_mask": np.ones(6, bool),
    }
    one = {**batch, "example_mask": mask}
    other = {**one, **{name: one[name].at[2].set(values) for name, values in filler.items()}}
    (_, (losses, (stats, _))), grads = gradients(state.params, one)
    (_, (other_losses, (other_stats, _))), other_grads = gradients(state.params, other)
    assert float(losses[2]) == float(other_losses[2]) == 0.0
    np.testing.assert_allclose(losses, other_losses, atol=1e-5)
    for ours, theirs in ((grads, other_grads), (stats, other_stats)):
        for a, b in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
            np.testing.assert_allclose(a, b, atol=1e-4)


def test_every_parameter_of_both_towers_learns(gradients, state, batch):
    _, grads = gradients(state.params, batch)
    still = [path_name(path) for path, g in jax.tree_util.tree_leaves_with_path(grads) if not np.asarray(g).any()]
    # The key's bias shifts all attention scores of a query alike, and rounding may leave it exactly zero.
    assert [name for name in still if "key" not in name] == []


def test_training_updates_batch_statistics_and_evaluation_does_not(gradients, evaluate, state, batch):
    (_, (_, (trained, _))), _ = gradients(state.params, batch)
    for collections, changes in ((trained, True), (evaluate(batch)[2], False)):
        pairs = zip(jax.tree.leaves(collections), jax.tree.leaves(state.collections), strict=True)
        assert any(not np.array_equal(a, b) for a, b in pairs) == changes


def test_training_learns_the_pairs_of_a_batch(train, batch):
    step, state = train
    losses = []
    for _ in range(200):
        state, metrics = step(state, batch)
        losses.append(float(metrics["loss"]))
    assert losses[-1] < 0.1 * losses[0]


def test_a_frozen_backbone_stays_bit_equal_and_the_rest_moves(train, batch):
    step, state = train
    after, _ = step(state, batch)
    before = jax.tree_util.tree_leaves_with_path(state.params)
    changed = {
        path_name(path)
        for (path, old), new in zip(before, jax.tree.leaves(after.params), strict=True)
        if not np.array_equal(old, new)
    }
    backbone = {name.removeprefix("text/backbone/") for name in changed if name.startswith("text/backbone/")}
    assert backbone == {"layer_0/feedforward_norm/scale", "layer_0/feedforward_norm/bias"}
    assert {"text/head/out/kernel", "motion/head/out/kernel"} <= changed


def test_nothing_is_pretrained_without_a_checkpoint(task, state, data):
    loaded, collections = task.load_pretrained(state.params, state.collections, data)
    assert loaded is state.params
    assert collections is state.collections


def test_by_default_the_text_tower_learns_at_a_tenth_of_the_rate():
    groups = DanceTextTask().optimizer.groups
    assert [(group.pattern, group.lr_scale) for group in groups] == [("^text/", 0.1), ("", 1.0)]
    assert DanceTextTask().freeze == Freeze.last_tensors(4)
    assert DanceTextTask().objective == Contrastive(kind="infonce", temperature=0.07, false_negatives="keep")


def test_towers_of_different_widths_are_refused():
    with pytest.raises(ConfigError, match=r"motion.embedding_dim is 256 and task.text_head.embedding_dim 8; make them"):
        DanceTextTask(text_head=ProjectionHead(embedding_dim=8))


def test_data_that_the_backbone_cannot_take_are_refused(task, data):
    task.check_data(data)
    few = dataclasses.replace(task, text=task.text.clone(vocab_size=9))
    with pytest.raises(ConfigError, match=r"the tokenizer has \d+ tokens, but task.text.vocab_size is 9; take"):
        few.check_data(data)
    short = dataclasses.replace(task, text=task.text.clone(max_positions=11))
    with pytest.raises(ConfigError, match=r"data.max_tokens is 12, but task.text takes 11 tokens at most; set"):
        short.check_data(data)


def precomputed(task, params, data):
    """What the task does to batches before their steps."""
    return task.precompute(
        params, data, functools.partial(embed_rows, params=params, collections={}, mesh=make_mesh()), HORIZON
    )


@pytest.mark.parametrize(
    ("freeze", "pooling"), [(Freeze.last_tensors(4), "first"), (Freeze.first_layers(1), "mean")], ids=["last", "first"]
)
def test_states_of_the_frozen_part_change_neither_loss_nor_gradient(task, data, freeze, pooling):
    text = task.text.clone(num_layers=2, dropout_rate=0.2)
    task = dataclasses.replace(task, text=text, freeze=freeze, pooling=pooling)
    plain = data.sample_batch()
    shapes = jax.eval_shape(task.init_variables, jax.random.key(0), plain)
    rng = np.random.default_rng(0)
    params, collections = jax.tree.map(
        lambda leaf: jnp.asarray(rng.normal(scale=0.3, size=leaf.shape), leaf.dtype), shapes
    )
    collections = jax.tree.map(jnp.abs, collections)
    # A temperature of 0.07 multiplies by 14 what rounding leaves, which is no matter of this test.
    task = dataclasses.replace(task, objective=dataclasses.replace(task.objective, temperature=1.0))
    ready = precomputed(task, params, data)(plain)
    assert "frozen_states" in ready

    @jax.jit
    def scores(moving, batch):
        def total(moving):
            params_now = with_moving(moving, params)
            return task.loss(params_now, collections, batch, jax.random.key(1), train=True)[0].sum()

        return jax.value_and_grad(total)(moving)

    moving = task.moving(params, HORIZON)
    (loss, grads), (plain_loss, plain_grads) = scores(moving, ready), scores(moving, plain)
    # Both sum the same terms in float32; what rounding may leave is measured by the largest gradient.
    largest = max(float(np.abs(leaf).max()) for leaf in jax.tree.leaves(plain_grads))
    np.testing.assert_allclose(loss, plain_loss, rtol=1e-6, atol=1e-6)
    for ours, theirs in zip(*map(jax.tree.leaves, (grads, plain_grads)), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-6 * max(1, largest))


def test_the_seeds_policy_keeps_one_token_a_caption(task, data):
    task = dataclasses.replace(task, freeze=Freeze.last_tensors(4), pooling="first")
    params = jax.eval_shape(task.init_variables, jax.random.key(0), data.sample_batch())[0]
    shape = jax.eval_shape(task.frozen_text_states, params, {}, next(data.training_texts()))
    assert shape.shape[1:] == (1, task.text.dim + task.text.feedforward_dim)


@pytest.mark.parametrize("changes", [{"text_cache_mib": 0}, {"freeze": Freeze("nothing")}])
def test_without_room_or_anything_frozen_batches_stay_as_they_are(task, data, changes):
    task = dataclasses.replace(task, **{"freeze": Freeze("everything"), **changes})
    batch = data.sample_batch()
    assert precomputed(task, {}, data)(batch) is batch


def test_states_beyond_the_limit_are_not_kept_and_the_log_says_so(task, data, caplog):
    wide = dataclasses.replace(task, text=task.text.clone(dim=2**18), freeze=Freeze("everything"), text_cache_mib=1)
    params = jax.eval_shape(wide.init_variables, jax.random.key(0), data.sample_batch())[0]
    batch = data.sample_batch()
    with caplog.at_level("INFO", logger="jaxmm"):
        assert precomputed(wide, params, data)(batch) is batch
    assert "task.text_cache_mib is 1" in caplog.text


def with_objective(task, state, **settings):
    """The task with another objective, and the state with its parameters."""
    task = dataclasses.replace(task, objective=Contrastive(**settings))
    params = {**state.params, "objective": task.objective.init_params()} if settings.get("learnable") else state.params
    opt_state = jax.jit(lambda params: task.transform(params, HORIZON).init(task.moving(params, HORIZON)))(params)
    return task, dataclasses.replace(state, params=params, opt_state=opt_state)


def test_a_learnt_temperature_moves_within_its_range_and_is_shown(task, state, batch):
    assert (
        "objective"
        in jax.eval_shape(
            dataclasses.replace(task, objective=Contrastive(learnable=True)).init_variables, jax.random.key(0), batch
        )[0]
    )
    fast = dataclasses.replace(task, optimizer=dataclasses.replace(task.optimizer, lr=0.05, end_lr=0.05))
    task, state = with_objective(fast, state, temperature=0.09, learnable=True, temperature_range=(0.08, 0.1))
    step, seen = jax.jit(task.train_step), []
    for _ in range(12):
        state, metrics = step(state, batch)
        seen.append(float(metrics["temperature"]))
    assert seen[0] == pytest.approx(0.09)
    assert seen[1] != pytest.approx(0.09, rel=0.01)
    assert all(0.08 * (1 - 1e-5) <= temperature <= 0.1 * (1 + 1e-5) for temperature in seen)
    assert any(temperature == pytest.approx(edge, rel=1e-5) for edge in (0.08, 0.1) for temperature in seen)


def test_what_the_objective_learns_trains_at_the_full_rate_and_does_not_decay(task, state):
    optimizer = dataclasses.replace(task.optimizer, lr=0.01, weight_decay=1.0)
    task, state = with_objective(
        dataclasses.replace(task, optimizer=optimizer), state, kind="sigmoid", temperature=0.1, learnable=True
    )

    @jax.jit
    def update(params, opt_state):
        still = jax.tree.map(jnp.zeros_like, params)
        still["objective"]["bias"] = jnp.float32(1)
        return task.transform(params, HORIZON).update(still, opt_state, params)[0]

    updates = update(state.params, state.opt_state)
    assert float(updates["objective"]["bias"]) == pytest.approx(-0.01, rel=1e-4)
    assert float(updates["objective"]["log_temperature"]) == 0.0
    assert np.asarray(updates["motion"]["head"]["out"]["kernel"]).any()  # decays


@pytest.mark.parametrize("found_by", ["same_caption", "similar_caption"])
def test_equal_captions_are_no_negatives_where_the_objective_says_so(task, state, batch, found_by):
    twins = {**batch, **{name: batch[name].at[1].set(batch[name][0]) for name in ("token_ids", "token_mask")}}
    threshold = {"similarity_threshold": 0.99999} if found_by == "similar_caption" else {}
    masking, _ = with_objective(task, state, false_negatives="mask", found_by=found_by, **threshold)

    @jax.jit
    def run(batch):
        embeddings = [tower(state.params, state.collections, batch) for tower in (task.embed_motion, task.embed_text)]
        losses = masking.loss(state.params, state.collections, batch, jax.random.key(0), train=False)[0]
        positives = jnp.eye(ROWS, dtype=bool).at[0, 1].set(True).at[1, 0].set(True)
        return losses, symmetric_infonce(*embeddings, temperature=0.07, positives=positives)

    np.testing.assert_allclose(*run(twins), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("freeze", [Freeze.last_tensors(4), Freeze("everything")], ids=lambda freeze: freeze.kind)
@pytest.mark.parametrize("found_by", ["same_caption", "similar_caption"])
def test_texts_computed_beforehand_still_tell_equal_captions(task, state, data, found_by, freeze):
    frozen = dataclasses.replace(task, freeze=freeze)
    masking, _ = with_objective(frozen, state, false_negatives="mask", found_by=found_by)
    params = jax.tree.map(np.asarray, state.params)
    ready = precomputed(masking, params, data)
    batch = next(data.train_batches(seed=0))
    prepared = ready(batch)
    assert "frozen_states" in prepared
    run = jax.jit(functools.partial(masking.loss, train=False))
    losses, expected = (
        run(state.params, state.collections, {name: jnp.asarray(rows) for name, rows in own.items()}, jax.random.key(0))
        for own in (prepared, batch)
    )
    np.testing.assert_allclose(losses[0], expected[0], rtol=1e-4, atol=1e-5)


def test_micro_batches_train_every_parameter_and_move_the_statistics_once_a_piece(task, state, batch):
    pieces = dataclasses.replace(task, num_micro_batches=2)

    @jax.jit
    def total(params):
        losses, (collections, _) = pieces.loss(params, state.collections, batch, jax.random.key(1), train=True)
        return losses.sum(), collections

    gradients, collections = jax.jit(jax.grad(total, has_aux=True))(state.params)
    assert np.asarray(gradients["motion"]["conv_0"]["kernel"]).any()
    assert np.asarray(gradients["text"]["backbone"]["embeddings"]["token"]["embedding"]).any()
    halves = [{name: rows[place::2] for name, rows in batch.items()} for place in range(2)]
    expected = state.collections
    for half in halves:
        _, (expected, _) = jax.jit(functools.partial(task.loss, train=True))(
            state.params, expected, half, jax.random.key(1)
        )
    mean, other = (own["motion"]["batch_stats"]["norm_0"]["mean"] for own in (collections, expected))
    np.testing.assert_allclose(mean, other, atol=1e-5)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_micro_batches": 3}, "task.num_micro_batches is 3, which does not divide data.batch_size 4"),
        ({"objective": Contrastive(chunk_size=3)}, "task.objective.chunk_size is 3, which does not divide"),
    ],
)
def test_batches_that_cannot_be_cut_are_refused_before_training(task, data, changes, message):
    with pytest.raises(ConfigError, match=message):
        dataclasses.replace(task, **changes).check_data(data)


def test_no_micro_batch_is_refused():
    with pytest.raises(ConfigError, match=r"task.num_micro_batches is 0; give 1 or more"):
        DanceTextTask(num_micro_batches=0)
