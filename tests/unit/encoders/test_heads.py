import jax
import jax.numpy as jnp
import numpy as np

from jaxmm.encoders.heads import ProjectionHead

HEAD = ProjectionHead(hidden_dim=6, embedding_dim=3)


def test_it_is_dense_relu_dense_and_unit_length():
    features = jax.random.normal(jax.random.key(1), (5, 4))
    out, variables = HEAD.init_with_output(jax.random.key(0), features)
    params = jax.device_get(variables["params"])
    hidden, last = params["hidden"], params["out"]
    x = np.maximum(np.asarray(features) @ hidden["kernel"] + hidden["bias"], 0) @ last["kernel"] + last["bias"]
    np.testing.assert_allclose(out, x / np.linalg.norm(x, axis=1, keepdims=True), atol=1e-6)


def test_parameter_count_at_the_defaults_of_the_text_tower():
    shapes = jax.eval_shape(ProjectionHead().init, jax.random.key(0), jnp.ones((1, 768)))
    assert sum(leaf.size for leaf in jax.tree.leaves(shapes)) == (768 + 1) * 512 + (512 + 1) * 256


def test_a_dead_hidden_layer_has_finite_gradients():
    params = jax.tree.map(jnp.zeros_like, HEAD.init(jax.random.key(0), jnp.ones((1, 4))))
    gradients = jax.grad(lambda params: HEAD.apply(params, jnp.ones((2, 4))).sum())(params)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(gradients))
