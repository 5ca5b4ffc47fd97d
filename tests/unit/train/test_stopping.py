import math

import pytest

from jaxmm.train.stopping import EarlyStopping


def watching(**fields):
    return EarlyStopping(metric="val/loss", better="smaller", patience=2, **fields)


def seen(stopping, *losses):
    for loss in losses:
        stopping = stopping.after({"val/loss": loss, "val/other": 0.0})
    return stopping


def test_it_waits_from_the_best_on():
    assert not seen(watching(), 0.5, 0.6).exhausted
    assert seen(watching(), 0.5, 0.6, 0.5).exhausted  # as good is not better
    again = seen(watching(), 0.5, 0.6, 0.4)
    assert (again.best, again.waited, again.exhausted) == (0.4, 0, False)


def test_of_a_score_that_should_be_large_the_larger_is_better():
    larger = EarlyStopping(metric="val/loss", better="larger", patience=1)
    assert not seen(larger, 0.1, 0.2).exhausted
    assert seen(larger, 0.2, 0.1).exhausted


def test_what_is_no_number_is_waited_through_and_never_the_best():
    stopping = seen(watching(), math.nan)
    assert math.isnan(stopping.best) and stopping.waited == 1
    stopping = seen(stopping, 0.3, math.nan)
    assert (stopping.best, stopping.waited) == (0.3, 1)


def test_without_patience_or_metric_it_never_ends():
    assert not seen(EarlyStopping(metric="val/loss"), *[0.0] * 50).exhausted
    unwatched = EarlyStopping(patience=1)
    assert seen(unwatched, 0.5) is unwatched


@pytest.mark.parametrize("losses", [(), (0.5,), (0.5, 0.7), (math.nan, 0.2), (math.nan,)])
def test_what_is_saved_is_what_is_resumed(losses):
    stopping = seen(watching(), *losses)
    resumed = seen(watching(), 0.9, 0.1).resumed(stopping.saved())
    assert (resumed.waited, resumed.saved()) == (stopping.waited, stopping.saved())
