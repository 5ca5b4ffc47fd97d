"""Our classifiers over features of frames against the torch reference: logits, gradients, and updates."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxmm.encoders.clip import ClipVision
from jaxmm.encoders.heads import ClassifierHead
from jaxmm.encoders.temporal import TemporalFusion
from jaxmm.horizon import Horizon, Stage
from jaxmm.optim import path_name
from jaxmm.tasks.clip_har import ClipHarTask
from jaxmm.tasks.frame_features import FEATURES
from jaxmm.tasks.visual import FrameEncoder

from . import torch_clip_har as reference
from .torch_clip_har import F, torch

VALUE_TOLERANCE, GRADIENT_TOLERANCE = 1e-5, 1e-4
DIM, HIDDEN_DIM, NUM_HEADS, NUM_CLASSES = 12, 8, 2, 3
VISION = ClipVision(
    dim=4, num_layers=1, num_heads=1, feedforward_dim=4, embedding_dim=DIM, image_size=4, patch_size=4, parent=None
)
BASE = ClipHarTask(frames=FrameEncoder(backbone=VISION), head=ClassifierHead(num_classes=NUM_CLASSES, dropout_rate=0.0))
TASKS = {
    False: BASE,
    True: dataclasses.replace(BASE, temporal=TemporalFusion(hidden_dim=HIDDEN_DIM, num_heads=NUM_HEADS)),
}
HEADS_ALONE = Horizon(epochs=1, steps_per_epoch=10, stages=(Stage(epochs=1, pattern="^(temporal|head)/"),), stage=0)


@pytest.fixture(params=TASKS, ids=["base", "temporal"])
def temporal(request):
    torch.manual_seed(0)
    return request.param


@pytest.fixture
def model(temporal):
    sizes = {"hidden_dim": HIDDEN_DIM, "num_heads": NUM_HEADS} if temporal else {}
    return reference.Classifier(DIM, NUM_CLASSES, temporal=temporal, dropout_rate=0.0, **sizes)


@pytest.fixture
def features():
    return np.random.default_rng(0).normal(size=(5, 7, DIM)).astype(np.float32)


LABELS = np.array([0, 2, 1, 1, 0], np.int32)
MASK = np.arange(7) < np.array([7, 3, 6, 5, 7])[:, None]


def batch_of(features, mask):
    batch = {FEATURES: features, "frame_mask": mask, "label": LABELS, "example_mask": np.ones(5, bool)}
    return jax.tree.map(jnp.asarray, batch)


def ours(model, *, of=lambda parameter: parameter.detach()):
    """The parameters of the reference, or another tensor of each, as ours are named and laid out."""

    def dense(module):
        found = {"kernel": of(module.weight).numpy().T.copy()}
        return found if module.bias is None else {**found, "bias": of(module.bias).numpy().copy()}

    params = {"head": {"hidden": dense(model.head[1]), "out": dense(model.head[3])}}
    if (fusion := model.temporal) is None:
        return params
    named = {name: dense(getattr(fusion, name)) for name in ("moment", "key", "value", "fusion", "out")}
    motion = {f"motion_{stride}": dense(module) for stride, module in zip(fusion.strides, fusion.motion, strict=True)}
    return {**params, "temporal": {**named, **motion, "query": of(fusion.query).numpy().copy()}}


def test_logits_and_gradients_equal_torch(temporal, model, features):
    task, batch = TASKS[temporal], batch_of(features, MASK)

    def total(params):
        losses, _ = task.loss({"visual": {}, **params}, {}, batch, jax.random.key(0), train=True)
        return losses.mean(), task.classify({"visual": {}, **params}, {}, batch)

    gradients, logits = jax.jit(jax.grad(total, has_aux=True))(ours(model))
    theirs = model(torch.tensor(features), torch.tensor(MASK))
    np.testing.assert_allclose(logits, theirs.detach().numpy(), atol=VALUE_TOLERANCE)
    F.cross_entropy(theirs, torch.tensor(LABELS, dtype=torch.long)).backward()
    wanted = ours(model, of=lambda parameter: parameter.grad)
    assert jax.tree.structure(gradients) == jax.tree.structure(wanted)
    for one, other in zip(jax.tree.leaves(gradients), jax.tree.leaves(wanted), strict=True):
        np.testing.assert_allclose(one, other, atol=GRADIENT_TOLERANCE)


def test_updates_of_the_classifier_alone_equal_torch(temporal, model, features):
    task, batch = TASKS[temporal], batch_of(features, np.ones_like(MASK))
    # The backbone is there in name, and rests: its features are given.
    seen = {**batch, "frames": jnp.zeros((5, 7, 4, 4, 3), jnp.uint8)}
    whole = dataclasses.replace(HEADS_ALONE, stage=None)
    state = jax.jit(task.init, static_argnums=2)(jax.random.key(0), seen, whole)
    given = jax.tree.map(jnp.asarray, ours(model))
    state = dataclasses.replace(state, params={**state.params, **given}, horizon=HEADS_ALONE)
    ours_next = jax.jit(task.train_step)
    theirs_next = reference.train_step_of(model, torch.tensor(features), torch.tensor(LABELS, dtype=torch.long))
    for _ in range(3):
        state, metrics = ours_next(state, batch)
        assert float(metrics["loss"]) == pytest.approx(theirs_next(), rel=1e-5)
    after = {path_name(path): leaf for path, leaf in jax.tree_util.tree_leaves_with_path(ours(model))}
    for path, leaf in jax.tree_util.tree_leaves_with_path({name: state.params[name] for name in given}):
        if (name := path_name(path)) != "temporal/key/bias":  # its gradient is zero but for rounding
            np.testing.assert_allclose(leaf, after[name], atol=VALUE_TOLERANCE, err_msg=name)
