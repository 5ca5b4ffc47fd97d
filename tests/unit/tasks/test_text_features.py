import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxmm.encoders.text import TransformerText
from jaxmm.optim import moving_part, with_moving
from jaxmm.tasks.text_features import FROZEN_STATES, TextFeatures, keep_frozen_states
from jaxmm.weights import Freeze

TINY = TransformerText(vocab_size=40, dim=16, num_layers=2, num_heads=4, feedforward_dim=24, max_positions=12)
MPNET = TINY.clone(first_position=2, relative_positions=True, dropout_after_attention=True, dropout_rate=0.2)
TEXTS = {
    "token_ids": jnp.arange(18, dtype=jnp.int32).reshape(3, 6),
    "token_mask": jnp.arange(6)[None, :] < jnp.array([[6], [4], [1]]),
}


@pytest.fixture(scope="module")
def params():
    """Parameters of MPNET, well away from their start."""
    shapes = jax.eval_shape(lambda key: MPNET.init(key, *TEXTS.values(), deterministic=True), jax.random.key(0))
    rng = np.random.default_rng(0)
    return jax.tree.map(lambda leaf: jnp.asarray(rng.normal(scale=0.3, size=leaf.shape), leaf.dtype), shapes["params"])


@pytest.mark.parametrize("pooling", ["first", "mean"])
@pytest.mark.parametrize(
    "freeze",
    [Freeze.last_tensors(4), Freeze.last_tensors(6), Freeze.last_tensors(9), Freeze.first_layers(1)],
    ids=lambda freeze: f"{freeze.kind}-{freeze.count}",
)
def test_kept_states_change_neither_features_nor_gradients_at_any_cut(params, freeze, pooling):
    features = TextFeatures(backbone=MPNET, freeze=freeze, pooling=pooling)
    kept = {"token_mask": TEXTS["token_mask"], FROZEN_STATES: jax.jit(features.frozen_states)(params, TEXTS)}
    trainable = freeze.trainable(MPNET)
    moving = moving_part(params, Freeze("nothing").trainable(MPNET) - trainable)
    weights = jnp.asarray(np.random.default_rng(1).normal(size=(3, 16)), jnp.float32)

    @jax.jit
    def run(moving, batch):
        def score(moving):
            rows = features(with_moving(moving, params), batch, jax.random.key(1))
            return (rows * weights).sum(), rows

        return jax.value_and_grad(score, has_aux=True)(moving)

    ((_, rows), grads), ((_, plain_rows), plain_grads) = run(moving, kept), run(moving, TEXTS)
    np.testing.assert_allclose(rows, plain_rows, rtol=0, atol=1e-6 * max(1, np.abs(plain_rows).max()))
    # Both sum the same terms in float32; what rounding may leave is measured by the largest gradient.
    largest = max(float(np.abs(leaf).max()) for leaf in jax.tree.leaves(plain_grads))
    assert largest > 0 and len(jax.tree.leaves(grads)) == len(trainable)
    for ours, theirs in zip(*map(jax.tree.leaves, (grads, plain_grads)), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-6 * max(1, largest))


@pytest.mark.parametrize("pooling", ["first", "mean"])
def test_a_wholly_frozen_backbone_keeps_its_features(params, pooling):
    features = TextFeatures(backbone=MPNET, freeze=Freeze("everything"), pooling=pooling)
    states = jax.jit(features.frozen_states)(params, TEXTS)
    assert states.shape == (3, 16)
    nothing = TextFeatures(backbone=MPNET, freeze=Freeze("nothing"), pooling=pooling)
    plain = jax.jit(lambda params: nothing(params, TEXTS, None))(params)
    np.testing.assert_allclose(states, plain, rtol=0, atol=1e-6)
    assert features({}, {**TEXTS, FROZEN_STATES: states}, None) is states


@pytest.mark.parametrize(("limit_mib", "kept"), [(3, True), (2, False)])
def test_states_are_kept_up_to_the_limit(limit_mib, kept):
    texts = [{"token_ids": np.array([[place], [place + 1]], np.int32)} for place in (0, 2, 4)]

    def compute(params, collections, batch):
        del params, collections
        return jnp.broadcast_to(batch["token_ids"] * 1.0, (2, 2**17))  # 1 MiB a batch

    def embed(function, batches):
        return (np.asarray(function({}, {}, batch)) for batch in batches)

    put_in = keep_frozen_states(compute, {}, texts, embed, limit_mib=limit_mib)
    assert (put_in is not None) == kept
    if put_in is not None:
        batch = put_in({"token_ids": np.array([[5], [0], [5]], np.int32), "motion": np.ones(3)})
        assert batch[FROZEN_STATES][:, 0].tolist() == [5, 0, 5]
        assert {"token_ids", "motion"} <= set(batch)
