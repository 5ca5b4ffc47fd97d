"""Our pre-norm transformer block against torch's `TransformerEncoderLayer`: values and gradients, padding included."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxmm.encoders.transformer import TransformerBlock

from .torch_reference import torch

BATCH, TOKENS, DIM, HEADS, WIDE = 3, 7, 24, 4, 40
MASK = np.arange(TOKENS) < np.array([[7], [1], [4]])


def our_params(tensors):
    """Arranges torch's parameters, or their gradients, as our tree holds parameters."""
    get = {name: tensor.detach().numpy() for name, tensor in tensors.items()}
    split = {
        name: {"kernel": kernel.T, "bias": bias}
        for name, kernel, bias in zip(
            ("query", "key", "value"),
            np.split(get["self_attn.in_proj_weight"], 3),
            np.split(get["self_attn.in_proj_bias"], 3),
            strict=True,
        )
    }
    dense = {
        name: {"kernel": get[f"{theirs}.weight"].T, "bias": get[f"{theirs}.bias"]}
        for name, theirs in (
            ("out", "self_attn.out_proj"),
            ("feedforward_in", "linear1"),
            ("feedforward_out", "linear2"),
        )
    }
    norms = {
        name: {"scale": get[f"{theirs}.weight"], "bias": get[f"{theirs}.bias"]}
        for name, theirs in (("attention_norm", "norm1"), ("feedforward_norm", "norm2"))
    }
    return {"attention": {**split, "out": dense.pop("out")}, **dense, **norms}


@pytest.fixture(scope="module")
def layer():
    torch.manual_seed(0)
    layer = torch.nn.TransformerEncoderLayer(
        DIM, HEADS, WIDE, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
    ).train()
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.add_(0.2 * torch.randn(parameter.shape))
    return layer


@pytest.mark.parametrize("mask", [np.ones_like(MASK), MASK], ids=["full", "padded"])
def test_values_and_gradients_are_torchs(layer, mask):
    rng = np.random.default_rng(0)
    hidden = rng.normal(1.0, 2.0, size=(BATCH, TOKENS, DIM)).astype(np.float32)
    weights = np.where(mask[..., None], rng.normal(size=hidden.shape), 0).astype(np.float32)
    block = TransformerBlock(num_heads=HEADS, feedforward_dim=WIDE, dropout_rate=0.1)

    theirs_in = torch.tensor(hidden, requires_grad=True)
    theirs = layer(theirs_in, src_key_padding_mask=torch.tensor(~mask))
    layer.zero_grad()
    (theirs * torch.tensor(weights)).sum().backward()

    def total(params, hidden):
        out = block.apply({"params": params}, hidden, jnp.asarray(mask), deterministic=True)
        return (out * weights).sum(), out

    params = our_params(dict(layer.named_parameters()))
    (_, ours), gradients = jax.jit(jax.value_and_grad(total, argnums=(0, 1), has_aux=True))(params, hidden)
    np.testing.assert_allclose(np.asarray(ours)[mask], theirs.detach().numpy()[mask], atol=1e-5)
    expected = (
        our_params({name: parameter.grad for name, parameter in layer.named_parameters()}),
        theirs_in.grad.numpy(),
    )
    assert jax.tree.structure(gradients) == jax.tree.structure(expected)
    for leaf, reference in zip(jax.tree.leaves(gradients), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(leaf, reference, atol=1e-4)
