"""Our temporal convolutional networks, their losses and updates against seed 002 and MS-TCN in torch."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxmm.encoders.tcn import FrameProjector, MultiStageTcn, TemporalConvNet
from jaxmm.horizon import Horizon
from jaxmm.optim import path_name
from jaxmm.tasks.segmentation import SegmentationTask
from jaxmm.tasks.semantic_alignment import SemanticAlignmentTask

from . import torch_alignment, torch_ms_tcn
from .torch_alignment import torch

VALUE_TOLERANCE = 1e-5
GRADIENT_TOLERANCE = 1e-4
LENGTHS = (13, 40, 7)
BATCH, TIME, DIM = len(LENGTHS), max(LENGTHS), 12
DIMS, PROJECTOR_DIM, EMBEDDING_DIM = (10, 8, 8), 16, 6  # the last level's residual is the identity
NUM_LABELS, NUM_STAGES, NUM_LAYERS, STAGE_DIM = 5, 3, 4, 8
MASK = np.arange(TIME) < np.array(LENGTHS)[:, None]
LOSSES = tuple(torch_alignment.FRAME_LOSSES)


@pytest.fixture(scope="module")
def batch():
    """Three videos of unlike lengths, padded with what must not matter."""
    rng = np.random.default_rng(0)
    features = rng.normal(size=(BATCH, TIME, DIM)).astype(np.float32)
    features[~MASK] = 7.0
    labels = rng.integers(0, NUM_LABELS, size=(BATCH, TIME)).astype(np.int32)
    mask = jnp.asarray(MASK)
    return {
        "features": jnp.asarray(features),
        "labels": jnp.asarray(labels),
        "frame_mask": mask,
        "label_mask": mask,
        "example_mask": jnp.ones(BATCH, bool),
    }


@pytest.fixture(scope="module")
def embeddings():
    return np.random.default_rng(1).normal(scale=2.0, size=(NUM_LABELS, EMBEDDING_DIM)).astype(np.float32)


def alignment_model(causal=False):
    """A model with running statistics as after some training."""
    torch.manual_seed(0)
    model = torch_alignment.AlignmentModel(
        DIM, DIMS, projector_dim=PROJECTOR_DIM, out_dim=EMBEDDING_DIM, dropout_rate=0.0, causal=causal
    )
    for name, buffer in model.named_buffers():
        if name.endswith("running_mean"):
            buffer.normal_(std=0.3)
        elif name.endswith("running_var"):
            buffer.uniform_(0.5, 2)
    return model


def alignment_task(causal=False, loss_kind="adaptive"):
    return SemanticAlignmentTask(
        encoder=TemporalConvNet(dims=DIMS, dropout_rate=0.0, causal=causal),
        projector=FrameProjector(hidden_dim=PROJECTOR_DIM, embedding_dim=EMBEDDING_DIM, dropout_rate=0.0),
        num_labels=NUM_LABELS,
        loss_kind=loss_kind,
    )


def arrays(named):
    return {name: jnp.asarray(value.detach().numpy().copy()) for name, value in named}


def dense(weights, name):
    weight = weights[f"{name}.weight"]
    return {"kernel": (weight[:, :, 0] if weight.ndim == 3 else weight).T, "bias": weights[f"{name}.bias"]}


def conv(weights, name):
    return {"conv": {"kernel": weights[f"{name}.weight"].transpose(2, 1, 0), "bias": weights[f"{name}.bias"]}}


def norm(weights, name):
    return {"scale": weights[f"{name}.weight"], "bias": weights[f"{name}.bias"]}


def alignment_params(weights):
    """Torch's weights, or their gradients, under our names."""
    encoder = {}
    for level in range(len(DIMS)):
        for number in range(2):
            encoder[f"level_{level}_conv_{number}"] = conv(weights, f"tcn.levels.{level}.conv{number + 1}")
            encoder[f"level_{level}_norm_{number}"] = norm(weights, f"tcn.levels.{level}.norm{number + 1}")
        if f"tcn.levels.{level}.residual.weight" in weights:
            encoder[f"level_{level}_residual"] = dense(weights, f"tcn.levels.{level}.residual")
    projector = {
        "hidden": dense(weights, "projector.linear1"),
        "hidden_norm": norm(weights, "projector.norm1"),
        "out": dense(weights, "projector.linear2"),
        "out_norm": norm(weights, "projector.norm2"),
    }
    return {"encoder": encoder, "projector": projector}


def statistics(model):
    buffers = arrays(model.named_buffers())
    found = {}
    for level in range(len(DIMS)):
        for number in range(2):
            name = f"tcn.levels.{level}.norm{number + 1}"
            found[f"level_{level}_norm_{number}"] = {
                "mean": buffers[f"{name}.running_mean"],
                "var": buffers[f"{name}.running_var"],
            }
    return {"batch_stats": found}


def variables(model, embeddings):
    """Our parameters and collections with torch's weights."""
    params = alignment_params(arrays(model.named_parameters()))
    return params, {"encoder": statistics(model), "semantics": {"embeddings": jnp.asarray(embeddings)}}


def head_model():
    """Logits wild enough that some changes from frame to frame are cut off."""
    torch.manual_seed(0)
    model = torch_ms_tcn.MultiStageTcn(DIM, NUM_LABELS, NUM_STAGES, NUM_LAYERS, STAGE_DIM).eval()
    with torch.no_grad():
        for stage in model.stages:
            stage.conv_out.weight *= 8
    return model


def head_params(weights):
    def stage(name):
        layers = {}
        for layer in range(NUM_LAYERS):
            layers[f"layer_{layer}_conv"] = conv(weights, f"{name}.layers.{layer}.conv_dilated")
            layers[f"layer_{layer}_out"] = dense(weights, f"{name}.layers.{layer}.conv_1x1")
        return {"in": dense(weights, f"{name}.conv_in"), "out": dense(weights, f"{name}.conv_out"), **layers}

    return {f"stage_{place}": stage(f"stages.{place}") for place in range(NUM_STAGES)}


def torch_batch(batch):
    features, labels, mask = (torch.tensor(np.asarray(batch[name])) for name in ("features", "labels", "frame_mask"))
    return features, labels.long(), mask


def gradients(model):
    return arrays((name, parameter.grad) for name, parameter in model.named_parameters())


def assert_close(ours, theirs, tolerance=VALUE_TOLERANCE):
    assert jax.tree.structure(ours) == jax.tree.structure(theirs)
    for (path, leaf), wanted in zip(jax.tree_util.tree_leaves_with_path(ours), jax.tree.leaves(theirs), strict=True):
        np.testing.assert_allclose(leaf, wanted, rtol=0, atol=tolerance, err_msg=path_name(path))


def apply_alignment(task, params, collections, batch, *, train):
    hidden, changed = task.encoder.apply(
        {"params": params["encoder"], **collections["encoder"]},
        batch["features"],
        batch["frame_mask"],
        deterministic=not train,
        mutable=["batch_stats"],
    )
    return task.projector.apply({"params": params["projector"]}, hidden, deterministic=not train), changed


@pytest.mark.parametrize("causal", [False, True])
def test_aligned_features_and_running_statistics_are_torchs(batch, embeddings, causal):
    model, task = alignment_model(causal), alignment_task(causal)
    params, collections = variables(model, embeddings)
    shapes = jax.eval_shape(task.init_variables, jax.random.key(0), batch)
    assert jax.tree.map(jnp.shape, (params, collections)) == jax.tree.map(jnp.shape, shapes)
    features, _, mask = torch_batch(batch)
    with torch.no_grad():
        evaluated = model.eval()(features, mask).numpy()
        trained = model.train()(features, mask).numpy()

    @jax.jit
    def run(params, collections, batch):
        trained, changed = apply_alignment(task, params, collections, batch, train=True)
        return task.answer(params, collections, batch), trained, changed

    ours_evaluated, ours_trained, changed = run(params, collections, batch)
    np.testing.assert_allclose(ours_evaluated[MASK], evaluated[MASK], rtol=0, atol=VALUE_TOLERANCE)
    np.testing.assert_allclose(ours_trained[MASK], trained[MASK], rtol=0, atol=VALUE_TOLERANCE)
    assert np.abs(evaluated - trained)[MASK].max() > 0.1
    assert_close(changed, statistics(model))
    moved = jax.tree.map(lambda new, old: np.abs(new - old).max(), changed, dict(collections["encoder"]))
    assert min(jax.tree.leaves(moved)) > 1e-3


def test_losses_and_gradients_of_alignment_are_torchs(batch, embeddings):
    params, collections = variables(alignment_model(), embeddings)

    @jax.jit
    def run(params):
        def total(params, name):
            task = alignment_task(loss_kind=name)
            losses, _ = task.loss(params, collections, batch, jax.random.key(0), train=True)
            counts = task.counts(batch)
            return (losses * counts).sum() / counts.sum()

        return {name: jax.value_and_grad(lambda params, name=name: total(params, name))(params) for name in LOSSES}

    features, labels, mask = torch_batch(batch)
    targets = torch.from_numpy(embeddings)[labels]
    for name, (loss, gradient) in run(params).items():
        model = alignment_model().train()
        expected = torch_alignment.alignment_loss(model(features, mask), targets, mask, name)
        expected.backward()
        assert float(loss) == pytest.approx(expected.item(), abs=VALUE_TOLERANCE), name
        theirs = alignment_params(gradients(model))
        assert max(np.abs(leaf).max() for leaf in jax.tree.leaves(theirs)) > 100 * GRADIENT_TOLERANCE
        assert_close(gradient, theirs, GRADIENT_TOLERANCE)


def test_twenty_updates_of_alignment_follow_torchs(batch, embeddings):
    """With two groups, clipping, and, an epoch being one update, a restart after ten."""
    model, task = alignment_model().train(), alignment_task()
    params, collections = variables(model, embeddings)
    optimizer = torch_alignment.make_optimizer(model)
    schedule = torch_alignment.make_schedule(optimizer)
    state = jax.jit(task.init, static_argnums=2)(jax.random.key(0), batch, Horizon(epochs=20, steps_per_epoch=1))
    state = dataclasses.replace(state, params=params, collections=collections)
    step, norms, losses = jax.jit(task.train_step), [], []
    rng = np.random.default_rng(2)
    for _ in range(20):
        features = rng.normal(size=(BATCH, TIME, DIM)).astype(np.float32)
        now = {**batch, "features": jnp.asarray(features)}
        state, metrics = step(state, now)
        features, labels, mask = torch_batch(now)
        expected, norm = torch_alignment.train_step(
            model, optimizer, features, torch.from_numpy(embeddings)[labels], mask
        )
        schedule.step()
        assert float(metrics["loss"]) == pytest.approx(expected.item(), abs=1e-4)
        assert float(metrics["grad_norm"]) == pytest.approx(norm.item(), rel=1e-3)
        norms.append(norm.item())
        losses.append(expected.item())
    assert max(norms) > torch_alignment.MAX_GRADIENT_NORM
    assert np.mean(losses[-3:]) < np.mean(losses[:3]) - 1e-2
    ours, theirs = (own["batch_stats"] for own in (state.collections["encoder"], statistics(model)))
    # Means move with biases that normalisation takes away again, of which Adam makes steps of rounding errors.
    for name, own in theirs.items():
        np.testing.assert_allclose(ours[name]["var"], own["var"], rtol=0, atol=1e-4, err_msg=name)


def test_learning_rates_are_torchs_warm_restarts():
    model = alignment_model()
    optimizer = torch_alignment.make_optimizer(model)
    schedule = torch_alignment.make_schedule(optimizer)
    settings = SemanticAlignmentTask().optimizer
    assert [group.weight_decay for group in settings.groups] == [own["weight_decay"] for own in optimizer.param_groups]
    assert settings.clip_norm == torch_alignment.MAX_GRADIENT_NORM
    horizon = Horizon(epochs=150, steps_per_epoch=7)
    rates = [settings.schedule(group.lr_scale, horizon) for group in settings.groups]
    expected = []
    for _ in range(horizon.epochs):
        expected.append([group["lr"] for group in optimizer.param_groups])
        optimizer.step()
        schedule.step()
    steps = jnp.arange(horizon.num_steps)
    ours = np.stack([jax.vmap(rate)(steps) for rate in rates], axis=1)
    np.testing.assert_allclose(ours, np.repeat(expected, horizon.steps_per_epoch, axis=0), rtol=1e-6, atol=0)
    peaks = [epoch for epoch, (tcn, projector) in enumerate(expected) if (tcn, projector) == (1.5e-4, 3e-4)]
    assert peaks == [0, 10, 30, 70]


def test_logits_of_all_stages_are_torchs(batch):
    model, frames = head_model(), (batch["features"], batch["frame_mask"])
    head = MultiStageTcn(NUM_LABELS, num_stages=NUM_STAGES, num_layers=NUM_LAYERS, dim=STAGE_DIM)
    params = head_params(arrays(model.named_parameters()))
    shapes = jax.eval_shape(lambda: head.init(jax.random.key(0), *frames, deterministic=True))
    assert jax.tree.map(jnp.shape, params) == jax.tree.map(jnp.shape, shapes["params"])
    ours = jax.jit(lambda params: head.apply({"params": params}, *frames, deterministic=True))(params)
    with torch.no_grad():
        theirs = model(*torch_batch(batch)[::2]).numpy()
    np.testing.assert_allclose(ours[:, MASK], theirs[:, MASK], rtol=1e-5, atol=VALUE_TOLERANCE)
    assert np.abs(np.diff(theirs[:, 1], axis=1)).max() > 4  # a change that is cut off


def test_losses_and_gradients_of_segmentation_are_torchs(batch):
    """Of each video what torch has for it alone, which is how it is trained there, weighted by its frames."""
    model = head_model()
    task = SegmentationTask(head=MultiStageTcn(NUM_LABELS, num_stages=NUM_STAGES, num_layers=NUM_LAYERS, dim=STAGE_DIM))

    @jax.jit
    def run(params):
        def total(params):
            losses, _ = task.loss({"head": params}, {}, batch, jax.random.key(0), train=False)
            counts = task.counts(batch)
            return (losses * counts).sum() / counts.sum(), losses

        return jax.value_and_grad(total, has_aux=True)(params)

    (_, losses), gradient = run(head_params(arrays(model.named_parameters())))
    features, labels, mask = torch_batch(batch)
    logits = model(features, mask)
    rows = [slice(row, row + 1) for row in range(BATCH)]
    expected = torch.stack([torch_ms_tcn.segmentation_loss(logits[:, row], labels[row], mask[row]) for row in rows])
    (expected * torch.tensor(LENGTHS)).sum().div(sum(LENGTHS)).backward()
    np.testing.assert_allclose(losses, expected.detach().numpy(), rtol=0, atol=GRADIENT_TOLERANCE)
    assert_close(gradient, head_params(gradients(model)), GRADIENT_TOLERANCE)
