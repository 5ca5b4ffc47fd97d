import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxmm.encoders.tcn import FrameProjector, MultiStageTcn, TemporalConvNet
from jaxmm.errors import ConfigError

BATCH, TIME, DIM, NUM_LABELS = 2, 40, 6, 5
NETWORKS = {
    "tcn": TemporalConvNet(dims=(8, 4, 4), dropout_rate=0.5),
    "head": MultiStageTcn(num_labels=NUM_LABELS, num_stages=2, num_layers=3, dim=4, input_dropout_rate=0.4),
}
LENGTHS = (29, TIME)


@pytest.fixture(params=NETWORKS)
def name(request):
    return request.param


@functools.cache
def features():
    return np.random.default_rng(0).normal(size=(BATCH, TIME, DIM)).astype(np.float32)


@functools.cache
def variables(name):
    """Variables well away from their start, so that no bias is zero and running statistics matter."""
    network = NETWORKS[name]
    x, mask = jnp.zeros((BATCH, TIME, DIM)), jnp.ones((BATCH, TIME), bool)
    shapes = jax.eval_shape(lambda: network.init(jax.random.key(0), x, mask, deterministic=True))
    rng = np.random.default_rng(1)
    draw = {
        "params": lambda leaf: rng.normal(scale=0.5, size=leaf.shape).astype(np.float32),
        "batch_stats": lambda leaf: rng.uniform(0.2, 1.0, leaf.shape).astype(np.float32),
    }
    return {kind: jax.tree.map(draw[kind], shapes[kind]) for kind in shapes}


@functools.cache
def compiled(name, causal=False):
    """The whole pass, frames along axis 1."""
    network = NETWORKS[name].clone(causal=causal)

    @jax.jit
    def run(x, mask):
        out = network.apply(variables(name), x, mask, deterministic=True)
        return out[-1] if name == "head" else out

    return run


def padded(junk):
    x = np.array(features())
    mask = np.arange(TIME) < np.array(LENGTHS)[:, None]
    x[~mask] = junk
    return jnp.asarray(x), jnp.asarray(mask)


@pytest.mark.parametrize("chunks", [[1] * 12, [1, 2, 9]], ids=["frame_by_frame", "uneven"])
def test_a_stream_is_the_whole_causal_pass(name, chunks):
    network = NETWORKS[name].clone(causal=True)
    num_frames = sum(chunks)
    x, mask = jnp.asarray(features()[:, :num_frames]), jnp.ones((BATCH, num_frames), bool)

    @jax.jit
    def answer(stream, x):
        ones = jnp.ones(x.shape[:2], bool)
        arguments = {**variables(name), **stream}, x, ones
        out, stream = network.apply(*arguments, deterministic=True, streaming=True, mutable=["stream"])
        return out[-1] if name == "head" else out, stream

    parts, stream, start = [], {}, 0
    for length in chunks:
        part, stream = answer(stream, x[:, start : start + length])
        parts.append(part)
        start += length
    whole = compiled(name, causal=True)(x, mask)
    np.testing.assert_allclose(np.concatenate(parts, axis=1), whole, atol=1e-5)
    # What is remembered of each convolution is what its taps reach, however long the stream.
    reaches = sorted(leaf.shape[1] for leaf in jax.tree.leaves(stream))
    assert sum(reaches) == NETWORKS[name].clone(causal=True).context[0]


@pytest.mark.parametrize("junk", [0.0, 1e6, float("nan")])
@pytest.mark.parametrize("causal", [False, True])
def test_padding_changes_no_frame(name, causal, junk):
    run = compiled(name, causal)
    together = run(*padded(junk))
    alone = run(jnp.asarray(features()[:1, : LENGTHS[0]]), jnp.ones((1, LENGTHS[0]), bool))
    np.testing.assert_allclose(together[0, : LENGTHS[0]], alone[0], atol=1e-5)
    whole = run(jnp.asarray(features()), jnp.ones((BATCH, TIME), bool))
    np.testing.assert_allclose(together[1], whole[1], atol=1e-5)
    assert np.isfinite(together).all()
    if name == "tcn":
        assert not np.abs(together[0, LENGTHS[0] :]).any()


def test_padding_reaches_no_gradient_and_no_statistic(name):
    network = NETWORKS[name]

    @jax.jit
    def run(x, mask):
        def total(params):
            out, changed = network.apply(
                {**variables(name), "params": params},
                x,
                mask,
                deterministic=False,
                mutable=["batch_stats"],
                rngs={"dropout": jax.random.key(0)},
            )
            return jnp.where(mask[..., None], jnp.square(out), 0).sum(), changed

        return jax.value_and_grad(total, has_aux=True)(variables(name)["params"])

    clean, spoilt = (run(*padded(junk)) for junk in (0.0, float("nan")))
    for ours, expected in zip(jax.tree.leaves(spoilt), jax.tree.leaves(clean), strict=True):
        np.testing.assert_allclose(ours, expected, rtol=1e-5, atol=1e-5)


def test_batch_statistics_are_those_of_valid_frames_alone():
    network = TemporalConvNet(dims=(4,), dropout_rate=0.0)
    x, mask = padded(3.0)
    variables = network.init(jax.random.key(0), x, mask, deterministic=True)
    _, changed = network.apply(variables, x, mask, deterministic=False, mutable=["batch_stats"])
    conv = variables["params"]["level_0_conv_0"]["conv"]
    frames = []
    for row, length in enumerate(LENGTHS):
        around = np.pad(np.asarray(x[row, :length]), ((1, 1), (0, 0)))
        frames += [np.einsum("td,tdo->o", around[t : t + 3], conv["kernel"]) + conv["bias"] for t in range(length)]
    statistics = changed["batch_stats"]["level_0_norm_0"]
    np.testing.assert_allclose(statistics["mean"], 0.1 * np.mean(frames, axis=0), atol=1e-5)
    np.testing.assert_allclose(statistics["var"], 0.9 + 0.1 * np.var(frames, axis=0, ddof=1), atol=1e-5)


@pytest.mark.parametrize("causal", [False, True])
def test_a_frame_depends_on_its_context_and_on_nothing_else(name, causal):
    network = NETWORKS[name].clone(causal=causal)
    before, after = network.context
    assert (before, after) == {"tcn": (14, 14), "head": (14, 14)}[name] if not causal else (28, 0)
    run, mask = compiled(name, causal), jnp.ones((BATCH, TIME), bool)
    frame = before + 1 if causal else TIME // 2

    @jax.jit
    def reach(x):
        # Through what is linear in the input, a rectifier that is closed hides a frame, so many inputs are tried.
        slopes = jax.vmap(jax.grad(lambda x: run(x, mask)[:, frame].sum()))(x)
        return jnp.abs(slopes).max(axis=(0, 1, 3)) > 0

    tries = np.random.default_rng(2).normal(size=(16, BATCH, TIME, DIM)).astype(np.float32)
    seen = np.flatnonzero(reach(jnp.asarray(tries)))
    assert (seen.min(), seen.max()) == (frame - before, frame + after)
    assert before + after + 1 == 29


def test_contexts_at_the_defaults():
    assert TemporalConvNet().context == (14, 14)
    assert TemporalConvNet(causal=True).context == (28, 0)
    assert MultiStageTcn(num_labels=3).context == (4 * 1023, 4 * 1023)
    assert MultiStageTcn(num_labels=3, causal=True).context == (8 * 1023, 0)


def test_what_sees_frames_to_come_cannot_be_streamed(name):
    with pytest.raises(ConfigError, match=r"cannot be streamed; train one with causal=True"):
        NETWORKS[name].apply(
            variables(name),
            jnp.asarray(features()[:, :1]),
            jnp.ones((BATCH, 1), bool),
            deterministic=True,
            streaming=True,
            mutable=["stream"],
        )


def test_input_dropout_hides_whole_channels_of_each_video_for_itself():
    """The first product is the identity and nothing follows it, so that the logits are what the first stage sees."""
    head = MultiStageTcn(num_labels=64, num_stages=1, num_layers=0, dim=64, input_dropout_rate=0.5)
    x, mask = jnp.ones((2, 5, 64)), jnp.ones((2, 5), bool)
    same = {"kernel": jnp.eye(64), "bias": jnp.zeros(64)}
    params = {"params": {"stage_0": {"in": same, "out": same}}}
    seen = np.asarray(head.apply(params, x, mask, deterministic=False, rngs={"dropout": jax.random.key(0)})[0])
    np.testing.assert_array_equal(seen, np.repeat(seen[:, :1], 5, axis=1))
    assert set(np.unique(seen).tolist()) == {0.0, 2.0}
    assert (seen[0, 0] != seen[1, 0]).any()
    assert 0.3 < (seen[:, 0] == 0).mean() < 0.7
    np.testing.assert_array_equal(head.apply(params, x, mask, deterministic=True)[0], x)


def test_dropout_acts_only_in_training_and_by_its_key(name):
    x, mask = padded(0.0)

    @jax.jit
    def train(key):
        out, _ = NETWORKS[name].apply(
            variables(name), x, mask, deterministic=False, mutable=["batch_stats"], rngs={"dropout": key}
        )
        return out

    one, same, other = (train(jax.random.key(seed)) for seed in (0, 0, 1))
    np.testing.assert_array_equal(one, same)
    assert np.abs(one - other).max() > 1e-3
    np.testing.assert_array_equal(compiled(name)(x, mask), compiled(name)(x, mask))


def test_a_stage_sees_the_probabilities_of_the_one_before():
    head, mask = MultiStageTcn(num_labels=3, num_stages=2, num_layers=1, dim=4), jnp.ones((1, 5), bool)
    x = jnp.asarray(features()[:1, :5])
    logits, variables = head.init_with_output(jax.random.key(0), x, mask, deterministic=True)
    single = head.clone(num_stages=1)
    params = {"params": {"stage_0": variables["params"]["stage_1"]}}
    again = single.apply(params, jax.nn.softmax(logits[0]), mask, deterministic=True)
    np.testing.assert_allclose(again[0], logits[1], atol=1e-6)


def test_projected_frames_are_normalised_each_by_itself():
    projector = FrameProjector(hidden_dim=8, embedding_dim=6)
    hidden = jnp.asarray(features()[..., :4])
    out, variables = projector.init_with_output(jax.random.key(0), hidden, deterministic=True)
    np.testing.assert_allclose(out.mean(axis=-1), 0, atol=1e-5)
    np.testing.assert_allclose(out.var(axis=-1), 1, atol=1e-2)
    alone = projector.apply(variables, hidden[:1, 3:4], deterministic=True)
    np.testing.assert_allclose(alone[0, 0], out[0, 3], atol=1e-5)


def test_parameter_counts_at_the_defaults():
    example = jnp.zeros((1, 64, 768)), jnp.ones((1, 64), bool)
    tcn = jax.eval_shape(lambda: TemporalConvNet().init(jax.random.key(0), *example, deterministic=True))
    # Convolutions, two normalisations and a residual of each level.
    expected = 0
    for narrow, wide in ((768, 512), (512, 128), (128, 64)):
        expected += 3 * narrow * wide + wide + 3 * wide * wide + wide + 4 * wide + narrow * wide + wide
    assert sum(leaf.size for leaf in jax.tree.leaves(tcn["params"])) == expected
    hidden = jnp.zeros((1, 2, 64))
    projector = jax.eval_shape(lambda: FrameProjector().init(jax.random.key(0), hidden, deterministic=True))["params"]
    assert projector["hidden"]["kernel"].shape == (64, 512)
    assert projector["out"]["kernel"].shape == (512, 384)
