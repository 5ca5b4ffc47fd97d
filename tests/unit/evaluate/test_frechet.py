import numpy as np
import pytest
import scipy.linalg

from jaxmm.errors import DataError
from jaxmm.evaluate.frechet import frechet_distance

RNG = np.random.default_rng(0)


def test_equals_the_formula_with_a_general_matrix_root():
    one = RNG.normal(size=(60, 5)) @ RNG.normal(size=(5, 5))
    other = RNG.normal(size=(40, 5)) @ RNG.normal(size=(5, 5)) + 1
    first, second = np.cov(one.T), np.cov(other.T)
    shared = np.trace(scipy.linalg.sqrtm(first @ second)).real
    expected = ((one.mean(0) - other.mean(0)) ** 2).sum() + np.trace(first) + np.trace(second) - 2 * shared
    assert frechet_distance(one, other) == pytest.approx(expected, rel=1e-9)
    assert frechet_distance(other, one) == pytest.approx(expected, rel=1e-9)


def test_is_zero_for_the_same_rows_in_another_order_and_of_a_direction_without_spread():
    rows = RNG.normal(size=(30, 4)).astype(np.float32)
    rows[:, 2] = 0.5
    assert frechet_distance(rows, rows[::-1]) == pytest.approx(0, abs=1e-6)


def test_another_spread_about_the_same_mean_counts():
    rows = RNG.normal(size=(500, 1))
    rows -= rows.mean()
    assert frechet_distance(rows, 3 * rows) == pytest.approx(4 * rows.var(ddof=1))


@pytest.mark.parametrize("place", [0, 1])
def test_too_few_rows_and_damaged_ones_are_refused(place):
    pair = [RNG.normal(size=(9, 3)), RNG.normal(size=(9, 3))]
    damaged = [rows.copy() for rows in pair]
    damaged[place][2, 1] = np.nan
    with pytest.raises(DataError, match="a code is not finite"):
        frechet_distance(*damaged)
    pair[place] = pair[place][:3]
    with pytest.raises(DataError, match="3 codes of 3 numbers do not tell a distribution"):
        frechet_distance(*pair)
