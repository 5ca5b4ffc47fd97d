import numpy as np
import pytest

from jaxmm.actions.told import likeliest


def test_the_likeliest_come_first_and_equal_ones_in_order():
    classes, probabilities = likeliest(np.log(np.array([2.0, 5.0, 1.0, 2.0])), ("a", "b", "c", "d"), top=3)
    assert classes == ("b", "a", "d")
    assert probabilities == pytest.approx((0.5, 0.2, 0.2))


def test_large_numbers_are_no_trouble():
    assert likeliest(np.array([1e4, -1e4], np.float32), ("a", "b"), top=9) == (("a", "b"), (1.0, 0.0))
