"""What a run costs."""

import pytest

from jaxmm.similarity import costs as module
from jaxmm.similarity.costs import costs_of

from .conftest import DATA


@pytest.fixture
def quick(monkeypatch):
    """Lets every program take one call."""
    monkeypatch.setattr(module, "_LEAST_CALLS", 1)
    monkeypatch.setattr(module, "_LONGEST_S", 0.0)


def test_a_run_is_measured_without_its_backbone_and_with_it(model, quick):
    costs = costs_of(model)
    assert costs.parameters == (8 * 8 + 8 + 8 * 4 + 4) + (8 * 4 + 4 + 4 + 1)  # encoder and head
    products = 2 * (8 * 8 + 8 * 4)  # and the mean over frames, biases and so on
    assert products < costs.flops < 3 * products
    assert min(costs.embed_ms, costs.pair_ms, costs.see_ms) > 0
    assert (costs.frames, costs.fps) == (DATA.frames_per_clip, DATA.fps)
    assert costs.video_ms == pytest.approx(4 * costs.see_ms + costs.embed_ms)


def test_a_backbone_that_was_timed_before_is_not_timed_again(model, quick, monkeypatch):
    monkeypatch.setattr(type(model.experiment.task), "see", lambda *_: pytest.fail("the backbone was run"))
    assert costs_of(model, see_ms=2.5).see_ms == 2.5
