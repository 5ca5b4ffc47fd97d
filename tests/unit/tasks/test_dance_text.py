import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxmm.encoders.heads import ProjectionHead
from jaxmm.errors import ConfigError
from jaxmm.objectives.contrastive import symmetric_infonce
from jaxmm.optim import Horizon, path_name
from jaxmm.tasks.dance_text import DanceTextTask
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
    start = dataclasses.replace(state, opt_state=task.transform(state.params, HORIZON).init(state.params))
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


def test_nothing_is_pretrained_without_a_checkpoint(task, state):
    assert task.load_pretrained(state.params) is state.params


def test_by_default_the_text_tower_learns_at_a_tenth_of_the_rate():
    groups = DanceTextTask().optimizer.groups
    assert [(group.pattern, group.lr_scale) for group in groups] == [("^text/", 0.1), ("^motion/", 1.0)]
    assert DanceTextTask().freeze == Freeze.last_tensors(4)
    assert DanceTextTask().temperature == 0.07


@pytest.mark.parametrize("temperature", [0.0, -0.1])
def test_a_temperature_that_is_not_positive_is_refused(temperature):
    with pytest.raises(ConfigError, match=f"task.temperature is {temperature}; give a value above zero"):
        DanceTextTask(temperature=temperature)


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


def embedder(params):
    """Applies a function of the task to batches, as the trainer's compiled one does."""

    def embed(function, batches):
        compiled = jax.jit(function)
        for batch in batches:
            yield np.asarray(compiled(params, {}, batch))

    return embed


@pytest.mark.parametrize("pooling", ["first", "mean"])
@pytest.mark.parametrize(
    "freeze",
    [
        Freeze.last_tensors(4),
        Freeze.last_tensors(6),
        Freeze.last_tensors(9),
        Freeze.first_layers(1),
        Freeze("everything"),
    ],
    ids=lambda freeze: f"{freeze.kind}-{freeze.count}",
)
def test_features_of_the_frozen_part_change_neither_loss_nor_gradient(task, data, freeze, pooling):
    text = task.text.clone(num_layers=2, dropout_rate=0.2)
    task = dataclasses.replace(task, text=text, freeze=freeze, pooling=pooling)
    plain = data.sample_batch()
    shapes = jax.eval_shape(task.init_variables, jax.random.key(0), plain)
    rng = np.random.default_rng(0)
    params, collections = jax.tree.map(lambda leaf: rng.normal(scale=0.3, size=leaf.shape).astype(leaf.dtype), shapes)
    collections = jax.tree.map(np.abs, collections)
    ready = task.precompute(params, data, embedder(params))(plain)
    assert "token_ids" not in ready and "text_features" in ready
    frozen = task.frozen(params)

    @jax.jit
    def scores(params, batch):
        def total(params):
            stopped = jax.tree_util.tree_map_with_path(
                lambda path, leaf: jax.lax.stop_gradient(leaf) if path_name(path) in frozen else leaf, params
            )
            return task.loss(stopped, collections, batch, jax.random.key(1), train=True)[0].sum()

        return jax.value_and_grad(total)(params)

    for ours, theirs in zip(*map(jax.tree.leaves, (scores(params, ready), scores(params, plain))), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-6, rtol=1e-5)


def test_the_seeds_policy_keeps_one_token_a_caption(task, data):
    task = dataclasses.replace(task, freeze=Freeze.last_tensors(4), pooling="first")
    params = jax.eval_shape(task.init_variables, jax.random.key(0), data.sample_batch())[0]
    shape = jax.eval_shape(task.text_features, params, {}, next(data.training_texts()))
    assert shape.shape[1:] == (1, task.text.dim + task.text.feedforward_dim)


@pytest.mark.parametrize("changes", [{"text_cache_mib": 0}, {"freeze": Freeze("nothing")}])
def test_without_room_or_anything_frozen_batches_stay_as_they_are(task, data, changes):
    task = dataclasses.replace(task, **{"freeze": Freeze("everything"), **changes})
    batch = data.sample_batch()
    assert task.precompute({}, data, embedder({}))(batch) is batch


def test_features_beyond_the_limit_are_not_kept_and_the_log_says_so(task, data, caplog):
    wide = dataclasses.replace(task, text=task.text.clone(dim=2**15), freeze=Freeze.first_layers(1), text_cache_mib=1)
    params = jax.eval_shape(wide.init_variables, jax.random.key(0), data.sample_batch())[0]
    batch = data.sample_batch()
    with caplog.at_level("INFO", logger="jaxmm"):
        assert wide.precompute(params, data, embedder(params))(batch) is batch
    assert "task.text_cache_mib is 1" in caplog.text
