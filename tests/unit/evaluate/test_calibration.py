import numpy as np
import pytest

from jaxmm.errors import ConfigError, DataError
from jaxmm.evaluate.calibration import LogisticScale, mean_scores
from jaxmm.evaluate.sweep import Sweep


def pairs(num_pairs=400, seed=0):
    rng = np.random.default_rng(seed)
    same = rng.random(num_pairs) < 0.5
    return rng.normal(size=num_pairs) + 1.5 * same, same


def test_a_scale_keeps_the_order_and_finds_the_odds_that_made_the_scores():
    scores, same = pairs(20_000)
    scale = LogisticScale.fit(scores, same)
    # Two normal distributions of one deviation have log odds that are linear: 1.5 * score - 1.5**2 / 2.
    assert (scale.slope, scale.offset) == pytest.approx((1.5, -1.125), abs=0.06)
    assert Sweep.of(scale(scores), same).roc_auc() == pytest.approx(Sweep.of(scores, same).roc_auc(), abs=1e-12)


def test_the_scale_of_scores_does_not_matter_even_that_of_distances():
    scores, same = pairs()
    expected = LogisticScale.fit(scores, same)(scores)
    for moved in (1e6 * scores - 3e6, 1e-6 * scores, -7 * scores):
        np.testing.assert_allclose(LogisticScale.fit(moved, same)(moved), expected, atol=1e-9)


@pytest.mark.parametrize("scores", [np.array([0.1, 0.2, 0.8, 0.9]), np.full(4, 0.3)], ids=["parted", "equal"])
def test_the_fit_is_finite_where_scores_part_all_pairs_or_none(scores):
    told = LogisticScale.fit(scores, np.array([False, False, True, True]))(scores)
    assert ((told > 0.1) & (told < 0.9)).all() and (np.diff(told) >= 0).all()


def test_models_that_err_apart_are_better_together():
    rng = np.random.default_rng(0)
    same = rng.random(600) < 0.5
    models = [1e3 * (rng.normal(size=600) + same), rng.normal(size=600) + same]
    scales = [LogisticScale.fit(own[:300], same[:300]) for own in models]
    tested, truth = [own[300:] for own in models], same[300:]
    alone = [Sweep.of(own, truth).roc_auc() for own in tested]
    both = mean_scores(tested, scales)
    assert Sweep.of(both, truth).roc_auc() > max(alone) + 0.02
    np.testing.assert_allclose(both, np.mean([scale(own) for scale, own in zip(scales, tested, strict=True)], axis=0))
    np.testing.assert_allclose(mean_scores(tested, scales, weights=(0, 1)), scales[1](tested[1]))


def test_what_cannot_be_put_on_one_scale_is_refused():
    with pytest.raises(DataError, match="a scale is fitted to same and different pairs, but all are of one kind"):
        LogisticScale.fit(np.zeros(2), np.ones(2, bool))
    with pytest.raises(ConfigError, match="for 1 runs; give one a run, of 0 or more"):
        mean_scores([np.zeros(2)], [LogisticScale(slope=1.0, offset=0.0)], weights=(0,))
