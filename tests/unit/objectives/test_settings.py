import dataclasses
import json
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxmm.config import decode, encode
from jaxmm.errors import ConfigError
from jaxmm.objectives.contrastive import nt_xent, pairwise_sigmoid, symmetric_infonce
from jaxmm.objectives.settings import Contrastive

rng = np.random.default_rng(0)
A, B = (jnp.asarray(x / np.linalg.norm(x, axis=1, keepdims=True), jnp.float32) for x in rng.normal(size=(2, 4, 3)))
MASK = jnp.array([True, True, True, False])
POSITIVES = jnp.eye(4, dtype=bool).at[0, 1].set(True).at[1, 0].set(True)


@pytest.mark.parametrize(
    "settings",
    [
        Contrastive(),
        Contrastive(kind="nt_xent", learnable=True, temperature=0.5, temperature_range=(0.1, 0.6)),
        Contrastive(kind="sigmoid", bias=-3.0, false_negatives="mask"),
        Contrastive(false_negatives="multi_positive", found_by="similar_caption", similarity_threshold=0.9),
        Contrastive(chunk_size=16),
    ],
)
def test_settings_survive_json(settings):
    assert decode(json.loads(json.dumps(encode(settings)))) == settings


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"temperature": 0.0}, r"objective.temperature is 0.0; give a value above zero"),
        ({"temperature": math.nan}, r"objective.temperature is nan; give a value above zero"),
        ({"learnable": True, "temperature": 2.0}, r"objective.temperature is 2.0, outside objective.temperature_range"),
        ({"learnable": True, "temperature_range": (0.0, 1.0)}, r"temperature_range is \(0.0, 1.0\); give 0 < least"),
        ({"learnable": True, "temperature_range": (1.0, 0.1)}, r"temperature_range is \(1.0, 0.1\); give 0 < least"),
        ({"temperature_range": (0.05, 1.0)}, r"temperature_range has no effect while objective.learnable is False"),
        ({"bias": -5.0}, r"bias has no effect while objective.kind is 'infonce'; leave it out, or set kind to sigmoid"),
        ({"found_by": "similar_caption"}, r"found_by has no effect while objective.false_negatives is 'keep'"),
        ({"false_negatives": "mask", "similarity_threshold": 0.9}, r"similarity_threshold has no effect while"),
        ({"kind": "sigmoid", "chunk_size": 2}, r"chunk_size has no effect while objective.kind is 'sigmoid'"),
        ({"kind": "nt_xent", "chunk_size": 2}, r"chunk_size has no effect while objective.kind is 'nt_xent'"),
        ({"chunk_size": 0}, r"objective.chunk_size is 0; give 1 or more, or None"),
        ({"similarity_threshold": 1.5}, r"similarity_threshold is 1.5; give a cosine above -1, at most 1"),
    ],
)
def test_settings_that_make_no_sense_are_refused(fields, message):
    with pytest.raises(ConfigError, match=message):
        Contrastive(**fields)


@pytest.mark.parametrize("false_negatives", ["keep", "mask", "multi_positive"])
@pytest.mark.parametrize("kind", ["infonce", "nt_xent", "sigmoid"])
def test_each_kind_is_its_loss_and_shows_nothing_that_is_fixed(kind, false_negatives):
    loss = {"infonce": symmetric_infonce, "nt_xent": nt_xent, "sigmoid": pairwise_sigmoid}[kind]
    fields = {"bias": -2.0} if kind == "sigmoid" else {}
    settings = Contrastive(kind=kind, temperature=0.3, false_negatives=false_negatives, **fields)
    positives = None if false_negatives == "keep" else POSITIVES
    found, shown = settings.losses({}, A, B, example_mask=MASK, positives=positives)
    multi = false_negatives == "multi_positive"
    expected = loss(A, B, temperature=0.3, example_mask=MASK, positives=positives, multi_positive=multi, **fields)
    np.testing.assert_array_equal(found, expected)
    assert shown == {} == settings.init_params()


@pytest.mark.parametrize("kind", ["infonce", "nt_xent", "sigmoid"])
def test_what_is_learnt_starts_at_the_settings_is_shown_and_has_a_gradient(kind):
    fixed = Contrastive(kind=kind, temperature=0.3)
    settings = dataclasses.replace(fixed, learnable=True)
    params = settings.init_params()

    def total(params):
        losses, shown = settings.losses(params, A, B, example_mask=MASK)
        return losses.sum(), (losses, shown)

    (_, (losses, shown)), gradients = jax.value_and_grad(total, has_aux=True)(params)
    np.testing.assert_allclose(losses, fixed.losses({}, A, B, example_mask=MASK)[0], rtol=1e-5)
    expected = {"temperature": 0.3} | ({"bias": -10.0} if kind == "sigmoid" else {})
    assert {name: float(value) for name, value in shown.items()} == pytest.approx(expected)
    assert all(float(jnp.abs(gradient)) > 0 for gradient in jax.tree.leaves(gradients))
    assert settings.ranges()["log_temperature"] == pytest.approx((math.log(0.01), 0.0))
