"""Our motion encoder against the torch encoder of seed 000: values, gradients, running statistics, padding, sizes."""

import copy
import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxmm.encoders.heads import ProjectionHead
from jaxmm.encoders.pose import PoseConvGru

from . import torch_reference
from .torch_reference import DanceEncoder, torch

VALUE_TOLERANCE = 1e-5
GRADIENT_TOLERANCE = 1e-4
NUM_JOINTS = 25


def distinctive(model):
    """Makes normalisation parameters and running statistics non-trivial, so that a wrong or missing one would show."""
    generator = torch.Generator().manual_seed(11)
    with torch.no_grad():
        for norm in (model.spatial_conv[1], model.spatial_conv[4]):
            norm.weight.copy_(1 + 0.3 * torch.randn(norm.weight.shape, generator=generator))
            norm.bias.copy_(0.3 * torch.randn(norm.bias.shape, generator=generator))
            norm.running_mean.copy_(0.3 * torch.randn(norm.running_mean.shape, generator=generator))
            norm.running_var.copy_(0.5 + torch.rand(norm.running_var.shape, generator=generator))
    return model


@pytest.fixture(scope="module", params=[True, False], ids=["mixed_axes", "right_axes"])
def pair(request):
    """The torch encoder and ours with the same axes, both at their defaults, dropout included."""
    torch.manual_seed(0)
    theirs = distinctive(DanceEncoder(num_joints=NUM_JOINTS, mixed_axes=request.param))
    return theirs.eval(), PoseConvGru(scramble_axes=request.param)


@pytest.fixture(scope="module")
def right_axes():
    torch.manual_seed(1)
    return distinctive(DanceEncoder(num_joints=NUM_JOINTS, mixed_axes=False)).eval(), PoseConvGru()


def without_dropout(pair):
    """A copy of both in training mode, the only difference between the two frameworks' randomness switched off."""
    model, module = copy.deepcopy(pair[0]).train(), pair[1].clone(dropout_rate=0.0)
    model.gru.dropout = 0.0
    return model, module


def our_params(tensors):
    """Arranges torch's parameters, or their gradients, as our tree holds parameters."""
    get = {name: tensor.detach().numpy() for name, tensor in tensors.items()}
    params = {"gru": {}, "head": {}}
    for layer, (conv, norm) in enumerate((("0", "1"), ("3", "4"))):
        params[f"conv_{layer}"] = {
            "kernel": get[f"spatial_conv.{conv}.weight"].transpose(2, 1, 0),
            "bias": get[f"spatial_conv.{conv}.bias"],
        }
        params[f"norm_{layer}"] = {
            "scale": get[f"spatial_conv.{norm}.weight"],
            "bias": get[f"spatial_conv.{norm}.bias"],
        }
    for layer in range(2):
        for direction, suffix in (("forward", ""), ("backward", "_reverse")):
            end = f"l{layer}{suffix}"
            bias_in, bias_state = get[f"gru.bias_ih_{end}"], get[f"gru.bias_hh_{end}"]
            hidden = len(bias_in) // 3
            params["gru"][f"layer_{layer}_{direction}"] = {
                "kernel_in": get[f"gru.weight_ih_{end}"].T,
                "kernel": get[f"gru.weight_hh_{end}"].T,
                # Torch adds two biases before the reset and the update gate; ours is their sum.
                "bias": np.concatenate([(bias_in + bias_state)[: 2 * hidden], bias_in[2 * hidden :]]),
                "candidate_bias": bias_state[2 * hidden :],
            }
    for name, index in (("hidden", "0"), ("out", "2")):
        params["head"][name] = {"kernel": get[f"fc.{index}.weight"].T, "bias": get[f"fc.{index}.bias"]}
    return params


def our_gradients(model):
    """As `our_params` for gradients; that of a sum of two biases is the gradient of either, not their sum."""
    gradients = {name: parameter.grad.clone() for name, parameter in model.named_parameters()}
    for name, gradient in gradients.items():
        if "bias_hh" in name:
            gradient[: 2 * len(gradient) // 3] = 0
    return our_params(gradients)


def our_statistics(model):
    stats = {}
    for layer, norm in enumerate((model.spatial_conv[1], model.spatial_conv[4])):
        stats[f"norm_{layer}"] = {"mean": norm.running_mean.numpy().copy(), "var": norm.running_var.numpy().copy()}
    return stats


def variables_of(model):
    tree = {"params": our_params(dict(model.named_parameters())), "batch_stats": our_statistics(model)}
    return jax.tree.map(jnp.array, tree)


def motions(num_motions, num_frames, seed=0):
    return np.random.default_rng(seed).normal(size=(num_motions, num_frames, NUM_JOINTS, 3)).astype(np.float32)


def run_torch(model, motion):
    return model(torch.tensor(motion).permute(0, 2, 1, 3))


@functools.partial(jax.jit, static_argnums=0)
def run_ours(module, variables, motion, mask):
    return module.apply(variables, motion, mask, deterministic=True)


def largest_difference(ours, theirs):
    return float(np.abs(np.asarray(ours) - theirs.detach().numpy()).max())


def assert_trees_close(ours, theirs, tolerance):
    assert jax.tree.structure(ours) == jax.tree.structure(theirs)
    for (path, leaf), reference in zip(jax.tree_util.tree_leaves_with_path(ours), jax.tree.leaves(theirs), strict=True):
        np.testing.assert_allclose(leaf, reference, rtol=0, atol=tolerance, err_msg=jax.tree_util.keystr(path))


@pytest.mark.parametrize("num_frames", [1, 30])
def test_embeddings_equal_torch_at_any_length(pair, num_frames):
    model, module = pair
    motion = motions(3, num_frames)
    ours = run_ours(module, variables_of(model), motion, np.ones(motion.shape[:2], bool))
    assert largest_difference(ours, run_torch(model, motion)) <= VALUE_TOLERANCE
    assert np.abs(np.asarray(ours[0] - ours[1])).max() > 100 * VALUE_TOLERANCE


def test_embeddings_equal_torch_beyond_the_unrolled_length(right_axes):
    model, module = right_axes
    motion = motions(3, 75)
    ours = run_ours(module, variables_of(model), motion, np.ones(motion.shape[:2], bool))
    assert largest_difference(ours, run_torch(model, motion)) <= VALUE_TOLERANCE


@pytest.mark.parametrize("train", [False, True], ids=["eval", "train"])
def test_values_gradients_and_statistics_equal_torch(pair, train):
    model, module = without_dropout(pair)
    variables = variables_of(model)
    motion, weight = motions(4, 30, seed=1), np.random.default_rng(2).normal(size=(4, 256)).astype(np.float32)

    @jax.jit
    def objective(params, motion):
        embedding, changed = module.apply(
            {**variables, "params": params},
            motion,
            jnp.ones(motion.shape[:2], bool),
            deterministic=not train,
            mutable=["batch_stats"],
        )
        return jnp.sum(embedding * weight), (embedding, changed["batch_stats"])

    gradients, (ours, statistics) = jax.grad(objective, argnums=(0, 1), has_aux=True)(variables["params"], motion)
    frames = torch.tensor(motion, requires_grad=True)
    model.train(train).zero_grad()
    theirs = model(frames.permute(0, 2, 1, 3))
    (theirs * torch.tensor(weight)).sum().backward()
    expected, expected_statistics = our_gradients(model), our_statistics(model)

    assert largest_difference(ours, theirs) <= VALUE_TOLERANCE
    # Every tensor's gradient is far above the tolerance, so a missing one could not pass; only a bias before
    # normalisation by the batch's own mean has none.
    scales = {path: float(np.abs(leaf).max()) for path, leaf in jax.tree_util.tree_leaves_with_path(expected)}
    dead = {jax.tree_util.keystr(path, simple=True, separator="/") for path, scale in scales.items() if scale < 1e-2}
    assert dead == ({"conv_0/bias", "conv_1/bias"} if train else set())
    assert_trees_close(gradients[0], expected, GRADIENT_TOLERANCE)
    assert frames.grad.abs().max() > 1e-3
    np.testing.assert_allclose(gradients[1], frames.grad.numpy(), rtol=0, atol=GRADIENT_TOLERANCE)
    assert_trees_close(statistics, expected_statistics, VALUE_TOLERANCE)
    moved = np.abs(expected_statistics["norm_0"]["var"] - variables["batch_stats"]["norm_0"]["var"]).max()
    assert (moved > 1e-2) == train


def test_running_variance_is_unbiased_as_torch_has_it_on_few_frames(pair):
    model, module = without_dropout(pair)
    variables = variables_of(model)
    motion = motions(2, 2, seed=3)
    mask = jnp.ones((2, 2), bool)
    _, changed = module.apply(variables, jnp.array(motion), mask, deterministic=False, mutable=["batch_stats"])
    with torch.no_grad():
        run_torch(model, motion)
    expected = our_statistics(model)
    assert_trees_close(changed["batch_stats"], expected, VALUE_TOLERANCE)
    # Of four frames the biased variance is a quarter smaller, which moves the running one by far more than that.
    kept = 0.9 * variables["batch_stats"]["norm_0"]["var"]
    biased = kept + 0.75 * (expected["norm_0"]["var"] - kept)
    assert np.abs(biased - expected["norm_0"]["var"]).max() > 100 * VALUE_TOLERANCE


def test_padded_batch_equals_torch_on_each_motion_alone(right_axes):
    model, module = right_axes
    lengths = (30, 1, 17)
    motion = motions(len(lengths), 30, seed=4) * 1000  # what is left in the padding is large
    mask = np.arange(30)[None, :] < np.array(lengths)[:, None]
    motion[mask] /= 1000
    ours = run_ours(module, variables_of(model), motion, mask)
    for row, length in enumerate(lengths):
        alone = run_torch(model, motion[row : row + 1, :length])[0]
        assert largest_difference(ours[row], alone) <= VALUE_TOLERANCE, f"{length} frames"


def test_right_and_mixed_axes_are_different_functions(right_axes):
    model, module = right_axes
    motion, mask = motions(3, 30, seed=5), np.ones((3, 30), bool)
    mixed = run_ours(module.clone(scramble_axes=True), variables_of(model), motion, mask)
    assert largest_difference(mixed, run_torch(model, motion)) > 1e-2


def sizes(tree):
    return sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(tree))


def torch_sizes(model, prefix):
    return sum(parameter.numel() for name, parameter in model.named_parameters() if name.startswith(prefix))


@pytest.fixture(scope="module")
def fresh():
    motion, mask = jnp.zeros((1, 1, NUM_JOINTS, 3)), jnp.ones((1, 1), bool)
    return PoseConvGru().init(jax.random.key(0), motion, mask, deterministic=True)["params"]


def test_parameter_counts_are_torch_less_the_redundant_gate_biases(fresh):
    model, params = DanceEncoder(), fresh
    convolutions = {name: own for name, own in params.items() if name.startswith(("conv_", "norm_"))}
    assert sizes(convolutions) == torch_sizes(model, "spatial_conv.") == 39_552
    assert torch_sizes(model, "gru.") == 1_775_616
    redundant = 2 * 256  # of the reset and the update gate, in each of 2 layers and 2 directions
    assert sizes(params["gru"]) == 1_775_616 - 2 * 2 * redundant == 1_773_568
    assert sizes(params["head"]) == torch_sizes(model, "fc.") == 197_120


def test_fresh_weights_spread_as_torch_spreads_them(fresh):
    torch.manual_seed(2)
    theirs, ours = our_params(dict(DanceEncoder().named_parameters())), fresh
    for (path, leaf), reference in zip(jax.tree_util.tree_leaves_with_path(ours), jax.tree.leaves(theirs), strict=True):
        name = jax.tree_util.keystr(path, simple=True, separator="/")
        if "gru" in name and name.endswith("/bias"):
            continue  # one uniform bias where torch adds two
        if leaf.size < 1000:  # too few numbers to compare spreads; none may lie outside torch's range
            assert np.abs(leaf).max() <= np.abs(reference).max() * 1.1 + 1e-7, name
        else:
            np.testing.assert_allclose(np.std(leaf), np.std(reference), rtol=0.05, err_msg=name)
            np.testing.assert_allclose(np.abs(leaf).max(), np.abs(reference).max(), rtol=0.01, err_msg=name)


def test_text_projection_equals_torch_in_values_and_gradients():
    torch.manual_seed(3)
    model, module = torch_reference.ProjectionHead(), ProjectionHead()
    assert sum(parameter.numel() for parameter in model.parameters()) == 768 * 512 + 512 + 512 * 256 + 256
    features = jnp.array(np.random.default_rng(7).normal(size=(5, 768)), jnp.float32)
    weight = np.random.default_rng(8).normal(size=(5, 256)).astype(np.float32)

    def arranged(get):
        return {
            name: {"kernel": get(model.projection[i].weight).numpy().T, "bias": get(model.projection[i].bias).numpy()}
            for name, i in (("hidden", 0), ("out", 2))
        }

    params = arranged(lambda parameter: parameter.detach())
    theirs = model(torch.tensor(np.array(features)))
    (theirs * torch.tensor(weight)).sum().backward()
    assert largest_difference(module.apply({"params": params}, features), theirs) <= VALUE_TOLERANCE
    gradients = jax.grad(lambda tree: jnp.sum(module.apply({"params": tree}, features) * weight))(params)
    assert_trees_close(gradients, arranged(lambda parameter: parameter.grad), GRADIENT_TOLERANCE)
