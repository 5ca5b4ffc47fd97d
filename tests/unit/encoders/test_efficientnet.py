"""What EfficientNet-Lite promises; its numbers are compared with torch's in the parity tests."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxmm.encoders.efficientnet import EfficientNetLite, Stage, depthwise_conv, mean_of_parts
from jaxmm.errors import ConfigError
from jaxmm.weights.hf_flax import flatten_names

NET = EfficientNetLite(stages=(Stage(2, 3, 1, 2, 32),), dim=8, num_classes=3, dropout_rate=0.0, drop_path_rate=0.0)
MASK = jnp.array([True, False, True, True])


@pytest.fixture(scope="module")
def images():
    return jax.random.normal(jax.random.key(0), (4, 12, 10, 3))


@pytest.fixture(scope="module")
def variables(images):
    start = jax.jit(functools.partial(NET.init, deterministic=True, method="classify"))
    variables = start(jax.random.key(1), images, MASK)
    filled = jax.tree.map(lambda leaf: leaf + 0.1, variables["batch_stats"])
    return {**variables, "batch_stats": filled}


def trained(net, variables, images, *, key=None, **options):
    """The features and the statistics of a step of training."""
    rngs = {"dropout": key} if key is not None else {}
    features, changed = net.apply(
        variables, images, MASK, deterministic=False, mutable=["batch_stats"], rngs=rngs, **options
    )
    return features, changed["batch_stats"]


@pytest.mark.parametrize(("size", "taps", "stride"), [((7, 10), 5, 2), ((10, 7), 3, 2), ((6, 5), 5, 1), ((2, 3), 5, 2)])
def test_depthwise_convolution_is_the_grouped_one(size, taps, stride):
    x = jax.random.normal(jax.random.key(0), (2, *size, 3))
    kernel = jax.random.normal(jax.random.key(1), (taps, taps, 1, 3))
    names = ("NHWC", "HWIO", "NHWC")
    grouped = jax.lax.conv_general_dilated(
        x, kernel, (stride, stride), "SAME", dimension_numbers=names, feature_group_count=3
    )
    np.testing.assert_allclose(depthwise_conv(x, kernel, stride=stride), grouped, atol=1e-5)


def test_images_that_are_not_valid_change_neither_features_nor_statistics(images, variables):
    features, statistics = trained(NET, variables, images)
    others, same = trained(NET, variables, images.at[1].set(100.0))
    np.testing.assert_array_equal(features[MASK], others[MASK])
    jax.tree.map(np.testing.assert_array_equal, statistics, same)


def test_frozen_steps_keep_their_statistics_and_compute_by_them(images, variables):
    before = variables["batch_stats"]
    _, statistics = trained(NET, variables, images, frozen_steps=2)
    same = {name: jax.tree.all(jax.tree.map(np.array_equal, statistics[name], before[name])) for name in before}
    assert same == {"stem": True, "block_0": True, "block_1": False, "head": False}
    features, statistics = trained(NET, variables, images, frozen_steps=NET.num_steps)
    assert jax.tree.all(jax.tree.map(np.array_equal, statistics, before))
    np.testing.assert_array_equal(features, NET.apply(variables, images, MASK, deterministic=True))


def test_steps_follow_the_parameters(variables):
    paths = flatten_names(variables["params"])
    first = {path.split("/")[0]: NET.step_of(path) for path in paths}
    assert first == {"stem": 0, "block_0": 1, "block_1": 2, "head": 3, "classifier": 3}
    assert NET.num_steps == 4


def test_stochastic_depth_leaves_whole_blocks_out(images, variables):
    """Of the block that is left out, what comes before is passed on; of the others, it is scaled up."""
    net = NET.clone(drop_path_rate=0.8)
    seen = set()
    for number in range(8):
        _, found = net.apply(
            variables,
            images,
            jnp.ones(4, bool),
            deterministic=False,
            mutable=["batch_stats", "intermediates"],
            capture_intermediates=lambda module, _: module.name in ("block_0", "block_1", "project"),
            rngs={"dropout": jax.random.key(number)},
        )
        blocks = {name: found["intermediates"][name]["__call__"][0] for name in ("block_0", "block_1")}
        branch = found["intermediates"]["block_1"]["project"]["__call__"][0]
        for image in range(4):
            change = blocks["block_1"][image] - blocks["block_0"][image]
            kept = bool(jnp.abs(change).max() > 0)
            np.testing.assert_allclose(change, branch[image] / 0.6 if kept else 0 * change, atol=1e-4)
            seen.add(kept)
    assert seen == {True, False}


@pytest.mark.parametrize(("width", "depth", "millions"), [(1.0, 1.0, 4.65), (1.4, 1.8, 13.01)])
def test_numbers_of_parameters_are_the_published_ones(width, depth, millions):
    net = EfficientNetLite(width=width, depth=depth, num_classes=1000)
    start = functools.partial(net.init, deterministic=True, method="classify")
    shapes = jax.eval_shape(start, jax.random.key(0), jnp.zeros((1, 32, 32, 3)), jnp.ones(1, bool))
    assert round(sum(leaf.size for leaf in jax.tree.leaves(shapes["params"])) / 1e6, 2) == millions


def test_without_a_classifier_there_are_no_logits(images):
    start = functools.partial(NET.clone(num_classes=0).init, deterministic=True, method="classify")
    with pytest.raises(ConfigError, match="it has no classifier; set num_classes"):
        jax.eval_shape(start, jax.random.key(0), images, MASK)


@pytest.mark.parametrize(("size", "grid"), [((4, 4), 2), ((7, 5), 3), ((3, 2), 1), ((2, 2), 2)])
def test_parts_of_a_picture_are_those_of_torch(size, grid):
    torch = pytest.importorskip("torch")
    x = np.random.default_rng(0).normal(size=(2, *size, 3)).astype(np.float32)
    parts = torch.nn.functional.adaptive_avg_pool2d(torch.tensor(x.transpose(0, 3, 1, 2)), grid).numpy()
    np.testing.assert_allclose(
        mean_of_parts(jnp.asarray(x), grid), parts.transpose(0, 2, 3, 1).reshape(2, -1), atol=1e-6
    )


def test_with_a_grid_features_tell_where_things_are(images, variables):
    net = NET.clone(grid=2, num_classes=0)
    params = {name: own for name, own in variables["params"].items() if name not in ("head", "classifier")}
    statistics = {name: own for name, own in variables["batch_stats"].items() if name != "head"}
    see = jax.jit(functools.partial(net.apply, deterministic=True))
    features = see({"params": params, "batch_stats": statistics}, images, MASK)
    assert features.shape == (4, net.feature_dim) == (4, 4 * 32)
    changed = see({"params": params, "batch_stats": statistics}, images.at[:, :2, :2].add(5.0), MASK)
    moved = np.abs(np.asarray(changed - features)).reshape(4, 4, 32).max((0, 2))
    assert moved[0] > 4 * moved[3]


def test_a_grid_has_no_classifier_and_is_no_finer_than_the_last_activations(images):
    for net, method, message in (
        (NET.clone(grid=2), "classify", "set num_classes, to 1000 for ImageNet's, and no grid"),
        (
            NET.clone(grid=6, num_classes=0),
            "__call__",
            "grid is 6, but the last activations are 6 x 5; give a grid of 1 to 5",
        ),
        (NET.clone(grid=-1, num_classes=0), "__call__", "grid is -1, but .*; give a grid of 1 to 5, 0 to have none"),
    ):
        with pytest.raises(ConfigError, match=message):
            jax.eval_shape(
                functools.partial(net.init, deterministic=True, method=method), jax.random.key(0), images, MASK
            )
