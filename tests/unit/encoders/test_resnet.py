"""What ResNet promises; its numbers are compared with torch's in the parity tests."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxmm.encoders.resnet import ResNet
from jaxmm.errors import ConfigError

NET = ResNet(stem_dim=4, dims=(8, 16), depths=(1, 2))
IMAGES = jnp.zeros((1, 32, 32, 3))


@pytest.mark.parametrize(
    ("depths", "millions"), [((3, 4, 6, 3), 23.51), ((3, 4, 23, 3), 42.50), ((3, 8, 36, 3), 58.14)]
)
def test_numbers_of_parameters_are_the_published_ones_without_the_classifier(depths, millions):
    shapes = jax.eval_shape(ResNet(depths=depths).init, jax.random.key(0), IMAGES)
    assert round(sum(leaf.size for leaf in jax.tree.leaves(shapes["params"])) / 1e6, 2) == millions


def test_every_stage_but_the_first_halves_the_resolution():
    _, found = jax.eval_shape(
        lambda: NET.init_with_output(
            jax.random.key(0), IMAGES, capture_intermediates=lambda own, _: (own.name or "").startswith("block")
        )
    )
    blocks = found["intermediates"]
    assert [blocks[f"block_{place}"]["__call__"][0].shape for place in range(3)] == [
        *[(1, 8, 8, 8), (1, 4, 4, 16), (1, 4, 4, 16)]
    ]


def test_a_batch_is_encoded_image_by_image():
    images = jax.random.normal(jax.random.key(1), (3, 16, 20, 3))
    variables = NET.init(jax.random.key(0), images)
    features = NET.apply(variables, images)
    np.testing.assert_allclose(NET.apply(variables, images[1:2]), features[1:2], atol=1e-5)
    assert np.abs(features[0] - features[1]).max() > 1e-2


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"dims": (8,), "depths": (1, 2)}, r"dims are \(8,\) and depths \(1, 2\); give one of each for a stage"),
        ({"dims": (), "depths": ()}, "give one of each for a stage"),
        ({"dims": (8, 6)}, r"dims are \(8, 6\) and depths \(1, 2\); give multiples of 4"),
        ({"depths": (1, 0)}, "give multiples of 4, and 1 or more"),
    ],
)
def test_numbers_that_do_not_fit_together_are_refused(settings, message):
    with pytest.raises(ConfigError, match=message):
        jax.eval_shape(NET.clone(**settings).init, jax.random.key(0), IMAGES)
