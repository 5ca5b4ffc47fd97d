import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxmm.encoders.gru import BidirectionalGru
from jaxmm.encoders.layers import MaskedBatchNorm, l2_normalize, uniform_bias, uniform_conv, uniform_dense
from jaxmm.encoders.tcn import MultiStageTcn
from jaxmm.encoders.text import TransformerText
from jaxmm.errors import ConfigError

BATCH, TIME, DIM = 3, 6, 4
lengths = st.tuples(*[st.integers(0, TIME)] * BATCH).filter(any)


@functools.cache
def frames():
    return np.random.default_rng(0).normal(2.0, 3.0, size=(BATCH, TIME, DIM)).astype(np.float32)


@functools.cache
def norm_variables():
    initialise = functools.partial(MaskedBatchNorm().init, deterministic=True)
    shapes = jax.eval_shape(initialise, jax.random.key(0), jnp.ones((1, 1, DIM)), jnp.ones((1, 1), bool))
    rng = np.random.default_rng(1)
    return jax.tree.map(lambda leaf: rng.uniform(0.5, 2.0, leaf.shape).astype(np.float32), shapes)


@functools.partial(jax.jit, static_argnums=2)
def normalize(x, mask, deterministic):
    return MaskedBatchNorm(momentum=0.8).apply(
        norm_variables(), x, mask, deterministic=deterministic, mutable=["batch_stats"]
    )


def mask_of(lengths, time=TIME):
    return np.arange(time) < np.array(lengths)[:, None]


@settings(max_examples=25, deadline=None)
@given(lengths=lengths)
def test_statistics_are_those_of_the_valid_frames(lengths):
    mask = mask_of(lengths)
    valid = frames()[mask].astype(np.float64)
    out, changed = normalize(jnp.asarray(np.where(mask[..., None], frames(), 1e3)), mask, False)
    params, before = norm_variables()["params"], norm_variables()["batch_stats"]
    expected = (valid - valid.mean(0)) / np.sqrt(valid.var(0) + 1e-5) * params["scale"] + params["bias"]
    np.testing.assert_allclose(np.asarray(out)[mask], expected, atol=1e-4)
    unbiased = valid.var(0, ddof=1) if len(valid) > 1 else np.zeros(DIM)
    after = changed["batch_stats"]
    np.testing.assert_allclose(after["mean"], 0.8 * before["mean"] + 0.2 * valid.mean(0), rtol=1e-4)
    np.testing.assert_allclose(after["var"], 0.8 * before["var"] + 0.2 * unbiased, rtol=1e-4)


def test_running_statistics_serve_when_deterministic_and_do_not_change():
    x, mask = jnp.asarray(frames()), mask_of([6, 2, 4])
    out, changed = normalize(x, mask, True)
    variables = norm_variables()
    params, stats = variables["params"], variables["batch_stats"]
    expected = (frames() - stats["mean"]) / np.sqrt(stats["var"] + 1e-5) * params["scale"] + params["bias"]
    np.testing.assert_allclose(out, expected, atol=1e-5)
    for name in ("mean", "var"):
        np.testing.assert_array_equal(changed["batch_stats"][name], stats[name])


def test_initialisation_leaves_the_running_statistics_alone():
    x, mask = jnp.asarray(frames()), jnp.ones((BATCH, TIME), bool)
    initialise = jax.jit(functools.partial(MaskedBatchNorm().init, deterministic=False))
    stats = initialise(jax.random.key(0), x, mask)["batch_stats"]
    assert stats["mean"].tolist() == [0.0] * DIM
    assert stats["var"].tolist() == [1.0] * DIM


def test_a_batch_without_any_valid_frame_is_finite():
    out, changed = normalize(jnp.asarray(frames()), jnp.zeros((BATCH, TIME), bool), False)
    assert np.isfinite(out).all()
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(changed))


@settings(max_examples=25, deadline=None)
@given(st.lists(st.floats(-100, 100, width=32), min_size=2, max_size=5).filter(lambda x: np.linalg.norm(x) > 1e-3))
def test_vectors_keep_their_direction_and_get_length_one(values):
    x = np.asarray(values, np.float32)
    unit = np.asarray(l2_normalize(jnp.asarray(x)))
    assert np.linalg.norm(unit) == pytest.approx(1.0, abs=1e-5)
    np.testing.assert_allclose(unit * np.linalg.norm(x), x, atol=1e-5 * np.linalg.norm(x))


def test_a_zero_vector_stays_zero_with_a_finite_gradient():
    x = jnp.array([[0.0, 0.0], [3.0, 4.0]])
    value, gradient = jax.value_and_grad(lambda x: l2_normalize(x).sum())(x)
    np.testing.assert_array_equal(l2_normalize(x)[0], [0.0, 0.0])
    assert np.isfinite(value)
    assert np.isfinite(gradient).all()


def test_the_gradient_of_a_unit_vector_has_no_part_along_it():
    x = jnp.array([3.0, 4.0])
    jacobian = jax.jacobian(l2_normalize)(x)
    np.testing.assert_allclose(jacobian, (np.eye(2) - np.outer(x, x) / 25) / 5, atol=1e-6)


@pytest.mark.parametrize("fan_in", [1, 9, 400])
def test_dense_layers_start_as_torchs_do(fan_in):
    layer = uniform_dense(50, fan_in=fan_in, name="layer")
    params = layer.init(jax.random.key(0), jnp.ones((1, fan_in)))["params"]
    bound = fan_in**-0.5
    for values in (params["kernel"], params["bias"]):
        assert 0.9 * bound < np.abs(values).max() <= bound
        assert abs(np.mean(values)) < 0.5 * bound


def test_convolutions_start_as_torchs_do_and_keep_the_length():
    layer = uniform_conv(40, kernel_size=5, fan_in=3, name="conv")
    out, variables = layer.init_with_output(jax.random.key(0), jnp.ones((1, 7, 3)))
    assert out.shape == (1, 7, 40)
    for values in variables["params"].values():
        assert 0.9 * 15**-0.5 < np.abs(values).max() <= 15**-0.5


def test_a_convolution_pads_both_ends_with_zeros():
    layer = uniform_conv(1, kernel_size=3, fan_in=1, name="conv")
    variables = {"params": {"kernel": jnp.array([1.0, 10.0, 100.0]).reshape(3, 1, 1), "bias": jnp.zeros(1)}}
    out = layer.apply(variables, jnp.array([1.0, 2.0, 3.0]).reshape(1, 3, 1))
    assert out.reshape(-1).tolist() == [210.0, 321.0, 32.0]


def test_biases_are_bounded_by_their_fan_in():
    values = uniform_bias(25)(jax.random.key(0), (1000,))
    assert 0.19 < np.abs(values).max() <= 0.2


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: uniform_bias(0), "a layer has 0 inputs; give widths of 1 or more"),
        (lambda: uniform_conv(4, kernel_size=-1, fan_in=4, name="conv"), "kernel_size is -1; give an odd number"),
        (lambda: applied(BidirectionalGru(num_layers=0), deterministic=True), "num_layers is 0; give 1 or more"),
        (
            lambda: applied(MultiStageTcn(num_labels=2, num_stages=0), deterministic=True),
            "num_stages is 0; give 1 or more",
        ),
        (lambda: TransformerText(vocab_size=4, num_heads=0).bind({}).embeddings, "num_heads 0; set dim to a multiple"),
    ],
)
def test_modules_without_parts_are_refused(build, message):
    with pytest.raises(ConfigError, match=message):
        build()


def applied(module, **settings):
    return module.init(jax.random.key(0), jnp.ones((1, 2, 3)), jnp.ones((1, 2), bool), **settings)
