"""What every encoder of videos keeps to, whatever is inside."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax.traverse_util import flatten_dict

from jaxmm.encoders.similarity import (
    AttentionEncoder,
    BottleneckEncoder,
    EmbeddingTrunk,
    FusionEncoder,
    GraphEncoder,
    HierarchicalEncoder,
    MultiScaleEncoder,
    PooledTrunk,
    PyramidEncoder,
    ResidualEncoder,
    SkipEncoder,
    TcnEncoder,
)
from jaxmm.encoders.similarity.fusion import FeatureFusion
from jaxmm.encoders.tcn import TemporalConvNet
from jaxmm.errors import ConfigError

TIME, DIM, EMBEDDING = 7, 8, 5
LENGTHS = (TIME, 3, 1, 0)  # the last row fills the batch up
BATCH = len(LENGTHS)
MASK = jnp.asarray(np.arange(TIME) < np.array(LENGTHS)[:, None])
PLAIN = EmbeddingTrunk(hidden_dims=(), embedding_dim=EMBEDDING)
DEEP = EmbeddingTrunk(hidden_dims=(6,), embedding_dim=EMBEDDING, batch_norm=True, unit_norm=True)
ENCODERS = {
    "mean": PooledTrunk(trunk=DEEP),
    "max": PooledTrunk(pooling="max", trunk=PLAIN),
    "weighted": PooledTrunk(pooling="attention", trunk=PLAIN),
    "attention": AttentionEncoder(num_heads=2, trunk=DEEP),
    "tcn": TcnEncoder(tcn=TemporalConvNet(dims=(6, 4)), trunk=PLAIN),
    "hierarchical": HierarchicalEncoder(dim=4, num_heads=2, feedforward_dim=4, segment_frames=3, trunk=PLAIN),
    "scales": MultiScaleEncoder(dim=4, trunk=PLAIN),
    "graph": GraphEncoder(dim=4, num_layers=1, reach=2, trunk=PLAIN),
    "residual": ResidualEncoder(dim=4, num_blocks=2, trunk=PLAIN),
    "skip": SkipEncoder(dim=4, trunk=PLAIN),
    # Narrower, all of a block's few ReLUs may be closed by chance.
    "bottleneck": BottleneckEncoder(dim=6, narrow_dim=4, num_blocks=2, trunk=PLAIN),
    "pyramid": PyramidEncoder(dim=4, trunk=PLAIN),
    "fusion": FusionEncoder(feature_dims=(5, 3), fusion=FeatureFusion(fusion_dim=4), trunk=PLAIN),
}
BLIND = ("mean", "max", "weighted", "fusion")  # to the order of frames


@pytest.fixture(params=ENCODERS)
def name(request):
    return request.param


def frames():
    return jnp.asarray(np.random.default_rng(0).normal(size=(BATCH, TIME, DIM)).astype(np.float32))


@functools.cache
def variables(name):
    """Variables well away from their start, so that no bias is zero and running statistics matter."""
    encoder, rng = ENCODERS[name], np.random.default_rng(1)
    shapes = jax.eval_shape(lambda: encoder.init(jax.random.key(0), frames(), MASK, deterministic=True))
    draw = {
        "params": lambda leaf: rng.normal(scale=0.5, size=leaf.shape).astype(np.float32),
        "batch_stats": lambda leaf: rng.uniform(0.2, 1.0, leaf.shape).astype(np.float32),
    }
    return {kind: jax.tree.map(draw[kind], shapes[kind]) for kind in shapes}


@functools.cache
def compiled(name):
    return jax.jit(lambda x, mask: ENCODERS[name].apply(variables(name), x, mask, deterministic=True))


@functools.cache
def trained(name):
    """Value, gradients and statistics of a training pass."""

    @jax.jit
    def run(x, mask):
        def total(params, x):
            own = {**variables(name), "params": params}
            rngs = {"dropout": jax.random.key(0)}
            found, changed = ENCODERS[name].apply(own, x, mask, deterministic=False, mutable=["batch_stats"], rngs=rngs)
            return jnp.where(mask.any(axis=1, keepdims=True), found, 0).sum(), changed

        return jax.value_and_grad(total, argnums=(0, 1), has_aux=True)(variables(name)["params"], x)

    return run


def spoilt(extra, junk):
    """More frames than there are, and junk in all that are not valid."""
    x = np.full((BATCH, TIME + extra, DIM), junk, np.float32)
    x[:, :TIME][MASK] = frames()[MASK]
    return jnp.asarray(x), jnp.asarray(np.pad(MASK, ((0, 0), (0, extra))))


@pytest.mark.parametrize("extra", np.random.default_rng(2).choice(np.arange(1, 10), 2, replace=False).tolist())
def test_padding_changes_nothing_whatever_it_holds(name, extra):
    wanted = compiled(name)(*spoilt(0, 0.0))
    assert wanted.shape == (BATCH, EMBEDDING)
    assert np.abs(np.diff(wanted[:3], axis=0)).max() > 1e-2
    np.testing.assert_allclose(compiled(name)(*spoilt(extra, np.nan)), wanted, rtol=0, atol=2e-6)


def test_one_video_of_one_frame_is_embedded_as_it_is_in_a_batch_d2(name):
    together = compiled(name)(*spoilt(0, 0.0))
    alone = compiled(name)(frames()[2:3, :1], jnp.ones((1, 1), bool))
    assert alone.shape == (1, EMBEDDING)
    np.testing.assert_allclose(alone[0], together[2], rtol=0, atol=2e-6)


def test_a_training_pass_sees_neither_padded_frames_nor_padded_rows(name):
    (value, changed), (gradient, slope) = trained(name)(*spoilt(0, 0.0))
    leaves = jax.tree.leaves((value, changed, gradient, slope))
    assert all(np.isfinite(leaf).all() for leaf in leaves)
    assert max(np.abs(leaf).max() for leaf in jax.tree.leaves(gradient)) > 1e-3
    assert not np.asarray(slope)[~MASK].any()
    again = trained(name)(*spoilt(0, np.nan))
    for ours, wanted in zip(jax.tree.leaves(again), leaves, strict=True):
        np.testing.assert_allclose(ours, wanted, rtol=1e-5, atol=1e-5)


def test_the_order_of_frames_tells_those_that_look_at_it(name):
    x, mask = frames()[:2], jnp.ones((2, TIME), bool)
    change = np.abs(compiled(name)(x, mask) - compiled(name)(x[:, ::-1], mask)).max()
    assert change < 1e-5 if name in BLIND else change > 1e-3


def test_bfloat16_stays_bfloat16_up_to_the_unit_length(name):
    encoder = ENCODERS[name]
    half = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.bfloat16), variables(name)["params"])
    settings = {"deterministic": True, "capture_intermediates": True, "mutable": ["intermediates"]}
    run = functools.partial(encoder.apply, {**variables(name), "params": half}, **settings)
    found, seen = jax.eval_shape(run, frames().astype(jnp.bfloat16), MASK)
    assert found.dtype == (jnp.float32 if encoder.trunk.unit_norm else jnp.bfloat16)
    inner = {path: leaf for path, leaf in flatten_dict(seen["intermediates"]).items() if path[0] != "__call__"}
    assert {leaf[0].dtype for path, leaf in inner.items() if path != ("trunk", "__call__")} <= {jnp.dtype("bfloat16")}


def test_statistics_are_those_of_the_rows_that_are_videos():
    changed = trained("mean")(*spoilt(0, 0.0))[0][1]["batch_stats"]["trunk"]["norm_0"]
    hidden = variables("mean")["params"]["trunk"]["hidden_0"]
    means = [own[:length].mean(axis=0) for own, length in zip(frames()[:3], LENGTHS, strict=False)]
    seen = np.stack(means) @ hidden["kernel"] + hidden["bias"]
    before = variables("mean")["batch_stats"]["trunk"]["norm_0"]
    np.testing.assert_allclose(changed["mean"], 0.9 * before["mean"] + 0.1 * seen.mean(axis=0), atol=1e-5)
    np.testing.assert_allclose(changed["var"], 0.9 * before["var"] + 0.1 * seen.var(axis=0, ddof=1), atol=1e-5)


def test_a_batch_of_one_trains_through_normalisation_with_finite_numbers_d2():
    (value, changed), gradients = trained("mean")(frames()[:1], MASK[:1])
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves((value, changed, gradients)))


@pytest.mark.parametrize(
    ("encoder", "message"),
    [
        (AttentionEncoder(num_heads=3), "frames have 8 features and num_heads is 3; give a divisor of 8"),
        (HierarchicalEncoder(dim=4, segment_frames=0), "a window has 0 frames; give at least 1"),
        (BottleneckEncoder(dim=4, narrow_dim=2), "narrow_dim is 2; give 3 or more"),
        (MultiScaleEncoder(scales=(0, 2)), r"scales are \(0, 2\); give one or more"),
        (MultiScaleEncoder(scales=(2, 2)), r"scales are \(2, 2\); give one or more, .* given once"),
        (AttentionEncoder(num_heads=0), "num_heads is 0; give a divisor of 8"),
        (HierarchicalEncoder(dim=4, num_heads=0), "dim is 4 and num_heads 0; set dim to a multiple"),
        (SkipEncoder(num_levels=0), "num_levels is 0; give 1 or more"),
        (FusionEncoder(feature_dims=(8, 0)), r"feature_dims are \(8, 0\), .* give widths of 1 or more"),
        (FusionEncoder(feature_dims=(10, -2)), "give widths of 1 or more"),
        (GraphEncoder(dim=4, reach=0), "reach is 0; give at least 1 frame"),
        (PyramidEncoder(num_levels=0), "num_levels is 0; give 1 or more"),
        (FusionEncoder(feature_dims=(5, 2)), r"feature_dims are \(5, 2\), but frames have 8 features"),
        (PooledTrunk(trunk=EmbeddingTrunk(hidden_dims=(), batch_norm=True)), "there is none; give trunk.hidden_dims"),
    ],
)
def test_numbers_that_do_not_fit_are_refused(encoder, message):
    with pytest.raises(ConfigError, match=message):
        jax.eval_shape(lambda: encoder.init(jax.random.key(0), frames(), MASK, deterministic=True))
