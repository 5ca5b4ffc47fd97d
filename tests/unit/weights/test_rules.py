import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxmm.errors import WeightsError
from jaxmm.weights.rules import LINEAR, Rule, WeightTable, export_tree, import_tree, repeat

TABLE = WeightTable(
    rules=(Rule("table", "embed/embedding"), *repeat([Rule("h.{layer}.weight", "layer_{layer}/kernel", LINEAR)], 2)),
    ignored=("pooler.*", "position_ids"),
    prefix="net.",
    old_endings=((".gamma", ".weight"),),
)
LIKE = {
    "embed": {"embedding": jax.ShapeDtypeStruct((5, 3), jnp.float32)},
    "layer_0": {"kernel": jax.ShapeDtypeStruct((3, 4), jnp.float32)},
    "layer_1": {"kernel": jax.ShapeDtypeStruct((3, 4), jnp.float32)},
}


def checkpoint():
    generator = np.random.default_rng(0)
    shapes = {"table": (5, 3), "h.0.weight": (4, 3), "h.1.weight": (4, 3)}
    return {name: generator.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}


def test_import_fills_every_parameter_and_transposes_where_the_rule_says():
    tensors = checkpoint()
    tree = import_tree(tensors, TABLE, LIKE)
    np.testing.assert_array_equal(tree["embed"]["embedding"], tensors["table"])
    np.testing.assert_array_equal(tree["layer_1"]["kernel"], tensors["h.1.weight"].T)


def test_import_then_export_is_bit_equal_ordered_and_contiguous():
    tensors = checkpoint()
    exported = export_tree(import_tree(tensors, TABLE, LIKE), TABLE)
    assert list(exported) == ["table", "h.0.weight", "h.1.weight"]
    assert all(np.array_equal(exported[name], tensor) for name, tensor in tensors.items())
    assert all(tensor.flags.c_contiguous for tensor in exported.values())


def test_a_scalar_comes_back_as_a_scalar():
    table = WeightTable((Rule("logit_scale", "scale"),))
    tree = import_tree({"logit_scale": np.array(2.5, np.float32)}, table, {"scale": np.zeros((), np.float32)})
    assert export_tree(tree, table)["logit_scale"].shape == tree["scale"].shape == ()


@given(st.permutations((0, 1, 2, 3)))
def test_any_order_of_axes_comes_back(axes):
    table = WeightTable((Rule("conv.weight", "conv/kernel", tuple(axes)),))
    tensor = np.arange(120, dtype=np.float32).reshape(2, 3, 4, 5)
    kernel = tensor.transpose(axes)
    tree = import_tree({"conv.weight": tensor}, table, {"conv": {"kernel": kernel}})
    np.testing.assert_array_equal(tree["conv"]["kernel"], kernel)
    np.testing.assert_array_equal(export_tree(tree, table)["conv.weight"], tensor)


def test_import_copies_so_that_the_checkpoint_can_change():
    tensors = checkpoint()
    tree = import_tree(tensors, TABLE, LIKE)
    before = np.array(tree["embed"]["embedding"])
    tensors["table"][:] = 9
    np.testing.assert_array_equal(tree["embed"]["embedding"], before)


def test_prefix_and_early_endings_are_understood():
    tensors = checkpoint()
    renamed = {f"net.{name.replace('.weight', '.gamma')}": tensor for name, tensor in tensors.items()}
    tree = import_tree(renamed, TABLE, LIKE)
    np.testing.assert_array_equal(tree["layer_0"]["kernel"], tensors["h.0.weight"].T)


def test_listed_tensors_are_ignored_with_and_without_prefix():
    extra = {"pooler.bias": np.zeros(1), "net.position_ids": np.zeros(1, np.int64)}
    assert import_tree(checkpoint() | extra, TABLE, LIKE).keys() == LIKE.keys()


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16])
def test_narrower_checkpoints_are_widened(dtype):
    tensors = {name: tensor.astype(dtype) for name, tensor in checkpoint().items()}
    kernel = import_tree(tensors, TABLE, LIKE)["layer_0"]["kernel"]
    assert kernel.dtype == jnp.float32
    np.testing.assert_array_equal(kernel, tensors["h.0.weight"].T.astype(np.float32))


def without(name):
    return {key: tensor for key, tensor in checkpoint().items() if key != name}


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        (checkpoint() | {"h.2.weight": np.zeros(1)}, r"unmapped tensors in the checkpoint: 'h.2.weight'; it has more"),
        (without("h.1.weight"), r"the checkpoint lacks tensors: 'h.1.weight'; use a complete"),
        (
            checkpoint() | {"h.0.weight": np.zeros((3, 4), np.float32)},
            r"tensor 'h.0.weight' has shape \(3, 4\), but layer_0/kernel needs \(4, 3\); set the module's fields",
        ),
        (
            checkpoint() | {"h.0.weight": np.zeros((4, 3, 1), np.float32)},
            r"tensor 'h.0.weight' has shape \(4, 3, 1\), but layer_0/kernel needs \(4, 3\)",
        ),
        (
            checkpoint() | {"table": np.zeros((5, 3), np.float64)},
            r"tensor 'table' is float64, but embed/embedding is float32; convert",
        ),
        (checkpoint() | {"net.table": np.zeros((5, 3), np.float32)}, r"tensor 'table' stands twice"),
        (
            checkpoint() | {f"x.{index}": np.zeros(1) for index in range(9)},
            r"'x.0', 'x.1', 'x.2', 'x.3', 'x.4', 'x.5' and 3 more",
        ),
    ],
    ids=["unmapped", "missing", "shape", "rank", "dtype", "twice", "many"],
)
def test_a_checkpoint_that_does_not_fit_is_refused_by_name(tensors, message):
    with pytest.raises(WeightsError, match=message):
        import_tree(tensors, TABLE, LIKE)


def test_a_rule_without_parameter_is_refused_both_ways():
    fewer = {name: LIKE[name] for name in ("embed", "layer_0")}
    with pytest.raises(WeightsError, match="rules name parameters the module does not have: 'layer_1/kernel'"):
        import_tree(checkpoint(), TABLE, fewer)
    with pytest.raises(WeightsError, match="rules name parameters the module does not have: 'layer_1/kernel'"):
        export_tree({"embed": {"embedding": np.zeros((5, 3))}, "layer_0": {"kernel": np.zeros((3, 4))}}, TABLE)


def test_a_parameter_without_rule_is_refused_both_ways():
    more = LIKE | {"head": {"bias": jax.ShapeDtypeStruct((2,), jnp.float32)}}
    with pytest.raises(WeightsError, match="no rule fills these parameters: 'head/bias'"):
        import_tree(checkpoint(), TABLE, more)
    tree = import_tree(checkpoint(), TABLE, LIKE)
    with pytest.raises(WeightsError, match="no rule fills these parameters: 'head/bias'"):
        export_tree({**tree, "head": {"bias": np.zeros(2)}}, TABLE)
