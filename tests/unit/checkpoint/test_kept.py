"""Which checkpoints stay, and which is chosen."""

import pytest

from jaxmm.checkpoint import Checkpoints
from jaxmm.errors import CheckpointError

from .conftest import METRIC, saved


def test_only_the_newest_stay(tmp_path):
    saved(tmp_path / "one", 1, 2, 3)
    saved(tmp_path / "two", 1, 2, 3, keep=2)
    with Checkpoints(tmp_path / "one") as one, Checkpoints(tmp_path / "two") as two:
        assert (one.steps(), two.steps()) == ([3], [2, 3])


def test_the_best_stays_besides_the_newest(tmp_path):
    saved(tmp_path, 1, 2, 3, 4, best_metric=METRIC, scores={1: 0.1, 2: 0.9, 3: 0.3, 4: 0.5})
    with Checkpoints(tmp_path, best_metric=METRIC) as checkpoints:
        assert checkpoints.steps() == [2, 4]
        assert checkpoints.choose("best") == 2
        assert checkpoints.choose("last") == 4


def test_a_better_one_takes_the_place_of_the_best_also_after_a_restart(tmp_path):
    scores = {1: 0.4, 2: 0.2, 3: 0.6, 4: 0.5}
    for step in scores:
        saved(tmp_path, step, best_metric=METRIC, scores=scores)
    with Checkpoints(tmp_path, best_metric=METRIC) as checkpoints:
        assert checkpoints.steps() == [3, 4]
        assert checkpoints.choose("best") == 3


def test_the_best_may_be_the_smallest(tmp_path):
    scores = {1: 0.4, 2: 0.2, 3: float("nan"), 4: 0.5}
    saved(tmp_path, *scores, best_metric=METRIC, best_is="smaller", scores=scores)
    with Checkpoints(tmp_path, best_metric=METRIC, best_is="smaller") as checkpoints:
        assert checkpoints.steps() == [2, 4]
        assert checkpoints.choose("best") == 2
        assert checkpoints.scores(2)[METRIC] == 0.2
        assert checkpoints.scores(3) == {}


def test_some_stay_for_good(tmp_path):
    saved(tmp_path, 2, 3, 4, 5, 6, 7, keep_every=3)
    with Checkpoints(tmp_path) as checkpoints:
        assert checkpoints.steps() == [3, 6, 7]


def test_choosing_needs_a_checkpoint_that_is_there(run, tmp_path):
    with Checkpoints(tmp_path) as checkpoints, pytest.raises(CheckpointError, match="holds no checkpoint yet; train"):
        checkpoints.choose("last")
    with Checkpoints(run) as checkpoints:
        assert checkpoints.choose("last") == checkpoints.choose("4") == 4
        with pytest.raises(
            CheckpointError, match=r"the run keeps no best checkpoint; set loop.best_metric, or use last"
        ):
            checkpoints.choose("best")
        for which in ("5", "-4", "newest", ""):
            with pytest.raises(CheckpointError, match=rf"no checkpoint '{which}'; choose last, best or one of \[4\]"):
                checkpoints.choose(which)
