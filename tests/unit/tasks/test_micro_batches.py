import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxmm.encoders.layers import l2_normalize
from jaxmm.errors import ConfigError
from jaxmm.objectives.contrastive import symmetric_infonce
from jaxmm.tasks.micro_batches import embed_in_micro_batches
from jaxmm.train.step import Devices, compile_eval, make_mesh, place_batch, replicated

ROWS = 16


class Tower(nn.Module):
    """Rows to unit vectors, each on its own: no statistics of the batch."""

    @nn.compact
    def __call__(self, x):
        return l2_normalize(nn.Dense(4)(nn.relu(nn.LayerNorm()(nn.Dense(8)(x)))))


rng = np.random.default_rng(0)
BATCH = {name: rng.normal(size=(ROWS, 6)).astype(np.float32) for name in ("motion", "text")}
PARAMS = {name: Tower().init(jax.random.key(place), BATCH[name])["params"] for place, name in enumerate(BATCH)}


def embed(params, collections, batch, key):
    del key
    embeddings = {name: Tower().apply({"params": params[name]}, batch[name]) for name in batch}
    return embeddings, {"seen": collections["seen"] + len(batch["motion"])}


def value_and_gradient(params, collections, batch, num_micro_batches):
    def objective(params):
        rows, after = embed_in_micro_batches(
            embed, params, collections, batch, jax.random.key(0), num_micro_batches=num_micro_batches
        )
        return symmetric_infonce(rows["motion"], rows["text"], temperature=0.07).mean(), after

    return jax.value_and_grad(objective, has_aux=True)(params)


START = {"seen": jnp.int32(0)}


@pytest.mark.parametrize("num_devices", [1, 8])
@pytest.mark.parametrize("num_micro_batches", [2, 8, 16])
def test_pieces_change_neither_the_loss_nor_its_gradient(num_devices, num_micro_batches):
    if jax.device_count() < num_devices:
        pytest.skip(f"needs {num_devices} devices, real or virtual; JAX has {jax.device_count()}")
    mesh = make_mesh(Devices(num_devices=num_devices))
    plain = jax.device_get(jax.jit(value_and_gradient, static_argnums=3)(PARAMS, START, BATCH, 1))

    def in_pieces(params, collections, batch):
        return value_and_gradient(params, collections, batch, num_micro_batches)

    whole = jax.device_put((PARAMS, START), replicated(mesh))
    ours = jax.device_get(compile_eval(in_pieces, mesh)(*whole, place_batch(BATCH, mesh)))
    assert int(ours[0][1]["seen"]) == ROWS  # collections go from piece to piece
    for found, expected in zip(jax.tree.leaves(ours), jax.tree.leaves(plain), strict=True):
        # Float32 rounds in proportion, so large numbers are compared in units of the largest.
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6 * max(1.0, float(np.abs(expected).max())))


def test_rows_keep_their_places_and_pieces_have_their_own_keys():
    def number(params, collections, batch, key):
        return {"x": batch["x"], "noise": jnp.full(len(batch["x"]), jax.random.uniform(key))}, collections

    rows, _ = embed_in_micro_batches(number, {}, {}, {"x": jnp.arange(6)}, jax.random.key(0), num_micro_batches=3)
    assert rows["x"].tolist() == list(range(6))
    assert len(set(rows["noise"].tolist())) == 3


def test_activations_of_one_piece_exist_at_a_time():
    def wide(params, collections, batch, key):
        del key
        hidden = batch["x"]
        for weight in params.values():
            hidden = jnp.tanh(hidden @ weight)
        return hidden[:, :1], collections

    def temporary_bytes(num_micro_batches):
        def objective(params, x):
            rows, _ = embed_in_micro_batches(
                wide, params, {}, {"x": x}, jax.random.key(0), num_micro_batches=num_micro_batches
            )
            return jnp.square(rows.mean())

        shapes = (
            {str(layer): jax.ShapeDtypeStruct((32, 32), jnp.float32) for layer in range(8)},
            jax.ShapeDtypeStruct((4096, 32), jnp.float32),
        )
        return jax.jit(jax.grad(objective)).lower(*shapes).compile().memory_analysis().temp_size_in_bytes

    assert temporary_bytes(16) < 0.4 * temporary_bytes(1)


def test_a_batch_that_cannot_be_cut_is_refused():
    with pytest.raises(ConfigError, match="a batch of 16 rows cannot be cut into 3 equal pieces"):
        embed_in_micro_batches(embed, PARAMS, START, BATCH, jax.random.key(0), num_micro_batches=3)
