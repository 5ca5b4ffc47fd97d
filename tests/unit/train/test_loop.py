import itertools
import json
import signal

import jax
import numpy as np
import pytest

from jaxmm.errors import ConfigError, Interrupted, TrainingError
from jaxmm.horizon import Horizon, Stage
from jaxmm.numerics import Numerics
from jaxmm.train.loop import Hooks, Loop, fit
from jaxmm.train.step import Devices, compile_train_step, make_mesh, replicated

STEPS_PER_EPOCH = 3
NUMERICS = Numerics()


class Calls:
    """Records what the loop asks for, and when."""

    def __init__(self):
        self.states = {}
        self.begun, self.evaluated, self.saved, self.lasts, self.reported = [], [], [], [], []

    def evaluate(self, state):
        self.evaluated.append(int(state.step))
        return {"val/recall": int(state.step) / 10}

    def save(self, state, scores, last):
        self.lasts.append(last)
        self.states[int(state.step)] = jax.device_get(state)
        self.saved.append((int(state.step), dict(scores)))

    def report(self, step, values):
        self.reported.append((step, dict(values)))

    def trained(self):
        return [step for step, values in self.reported if "train/loss" in values]


@pytest.fixture
def train(line_task, make_line_batch):
    """Runs the loop from the start, or from a state, and returns the calls and the last state."""
    mesh = make_mesh(Devices(num_devices=1))

    def run(loop, *, state=None, evaluates=True, batches=None, numerics=NUMERICS, stop_at=None, calls=None, saved=None):
        horizon = loop.horizon(steps_per_epoch=STEPS_PER_EPOCH)
        if state is None:
            state = line_task.init(jax.random.key(0), make_line_batch(0), horizon)
        state = jax.device_put(state, replicated(mesh))
        first, calls = jax.device_get(state), calls or Calls()
        served = itertools.count(int(state.step))
        batches = batches or make_line_batch
        asked = iter(range(10**6))

        def begin(state):
            calls.begun.append(int(state.step))
            return compile_train_step(line_task, state, mesh), map(batches, served)

        hooks = Hooks(
            begin=begin,
            evaluate=calls.evaluate if evaluates else None,
            save=calls.save,
            saved=lambda step: saved or {},
            roll_back=lambda: jax.device_put(first, replicated(mesh)),
            report=calls.report,
            stop=lambda: None if stop_at is None or next(asked) < stop_at else signal.SIGUSR1,
        )
        state = fit(loop, numerics, state, hooks)
        return calls, state

    return run


def test_a_run_ends_after_its_last_epoch(train):
    _, state = train(Loop(epochs=4, log_every=5))
    assert int(state.step) == 12 == int(state.collections["line"]["seen"])


@pytest.mark.parametrize(
    ("evaluate_every", "save_every", "evaluated", "saved"),
    [
        (1, 1, [3, 6, 9, 12, 15], [3, 6, 9, 12, 15]),
        (2, 2, [6, 12, 15], [6, 12, 15]),
        (2, 4, [6, 12, 15], [12, 15]),
        (9, 9, [15], [15]),
        (0, 3, [], [9, 15]),
    ],
)
def test_evaluation_and_saving_come_at_their_epochs_and_at_the_end(evaluate_every, save_every, evaluated, saved, train):
    calls, _ = train(Loop(epochs=5, evaluate_every=evaluate_every, save_every=save_every))
    assert calls.evaluated == evaluated
    assert [step for step, _ in calls.saved] == saved
    assert [step for step, values in calls.reported if "val/recall" in values] == evaluated


def test_without_a_validation_split_nothing_is_evaluated(train):
    calls, _ = train(Loop(epochs=2, evaluate_every=1, save_every=1), evaluates=False)
    assert [scores for _, scores in calls.saved] == [{}, {}]


def test_a_checkpoint_is_saved_with_the_scores_of_its_own_step_alone(train):
    calls, _ = train(Loop(epochs=4, evaluate_every=2, save_every=1))
    scores = [scores.get("val/recall") for _, scores in calls.saved]
    assert scores == [None, 0.6, None, 1.2]


def test_a_step_that_was_not_evaluated_when_a_signal_came_cannot_be_the_best(train):
    calls = Calls()
    with pytest.raises(Interrupted):
        train(Loop(epochs=4, evaluate_every=2, save_every=2, best_metric="val/recall"), stop_at=8, calls=calls)
    step, scores = calls.saved[-1]
    assert (step, set(scores)) == (9, {"stopping/best", "stopping/waited"})


def test_scalars_are_reported_every_so_many_steps_with_the_values_of_their_step(train):
    often, _ = train(Loop(epochs=4, log_every=1))
    seldom, _ = train(Loop(epochs=4, log_every=5))
    assert often.trained() == list(range(1, 13))
    assert seldom.trained() == [5, 10]
    losses = {step: values["train/loss"] for step, values in often.reported if "train/loss" in values}
    for step, values in seldom.reported:
        if "train/loss" in values:
            assert values["train/loss"] == losses[step]
            assert values["train/grad_norm"] >= 0
            assert values["train/steps_per_second"] > 0


def test_reports_come_in_the_order_of_steps_and_hold_plain_numbers(train):
    calls, _ = train(Loop(epochs=4, log_every=1, evaluate_every=1))
    steps = [step for step, _ in calls.reported]
    assert steps == sorted(steps)
    assert all(type(value) is float for _, values in calls.reported for value in values.values())
    json.dumps(calls.reported)


def test_a_run_continues_to_the_same_end(train, line_task, make_line_batch):
    whole, expected = train(Loop(epochs=4, log_every=1, evaluate_every=1, save_every=1))
    state = line_task.init(jax.random.key(0), make_line_batch(0), Horizon(epochs=4, steps_per_epoch=STEPS_PER_EPOCH))
    step = jax.jit(line_task.train_step)
    for number in range(7):
        state, _ = step(state, make_line_batch(number))
    calls, resumed = train(Loop(epochs=4, log_every=1, evaluate_every=1, save_every=1), state=state)
    for ours, theirs in zip(jax.tree.leaves(resumed), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-6)
    assert calls.trained() == [8, 9, 10, 11, 12]
    assert calls.saved == whole.saved[2:]


def test_a_finished_run_does_nothing_more(train):
    _, state = train(Loop(epochs=1))
    calls, after = train(Loop(epochs=1), state=state)
    assert int(after.step) == STEPS_PER_EPOCH
    assert (calls.evaluated, calls.saved, calls.reported) == ([], [], [])


@pytest.mark.parametrize("stop_at", [0, 2, 3, 4, 7])
def test_a_request_to_stop_saves_the_step_that_was_reached_and_no_step_twice(stop_at, train):
    calls = Calls()
    with pytest.raises(Interrupted) as stopped:
        train(Loop(epochs=4, save_every=1, evaluate_every=2), stop_at=stop_at, calls=calls)
    steps = [step for step, _ in calls.saved]
    assert steps == sorted(set(steps))
    assert stopped.value.saved_step == steps[-1]
    assert stop_at < steps[-1] <= stop_at + 3  # the steps that were under way
    assert stopped.value.status == 128 + signal.SIGUSR1
    assert calls.lasts[-1]
    assert calls.evaluated == [step for step in (6,) if step <= steps[-1]]


def test_a_request_in_the_last_steps_lets_the_run_end_with_its_evaluation(train):
    calls = Calls()
    with pytest.raises(Interrupted):
        train(Loop(epochs=2), stop_at=5, calls=calls)
    assert calls.saved == [(6, {"val/recall": 0.6})]


def bad_batches(make_line_batch, bad):
    """Batches by the number of their serving, those in `bad` not finite."""

    def batch(number):
        batch = make_line_batch(number)
        return batch | {"y": batch["y"] * np.float32(np.nan)} if number in bad else batch

    return batch


def test_bad_steps_in_a_row_bring_the_saved_state_back_and_later_data(train, make_line_batch):
    calls, state = train(
        Loop(epochs=4, log_every=1),
        batches=bad_batches(make_line_batch, range(4, 8)),
        numerics=Numerics(rollback_after=3),
    )
    alerts = [(step, values) for step, values in calls.reported if "alert/rollback" in values]
    assert [values["alert/rollback"] for _, values in alerts] == [1.0]
    assert 7 <= alerts[0][0] <= 9  # the third bad step is the seventh; two more may be under way
    assert int(state.step) == 12
    assert int(state.guards["all"].skipped) <= 1
    assert np.isfinite(float(state.params["line"]["slope"]))


def test_fewer_bad_steps_are_only_counted(train, make_line_batch):
    calls, state = train(
        Loop(epochs=4, log_every=1),
        batches=bad_batches(make_line_batch, (1, 2, 6)),
        numerics=Numerics(rollback_after=3),
    )
    assert int(state.guards["all"].skipped) == 3
    skipped = [values["train/skipped"] for _, values in calls.reported if "train/skipped" in values]
    assert skipped == [0, 1, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3]


def test_training_that_stays_bad_ends_with_an_error(train, make_line_batch):
    calls = Calls()
    with pytest.raises(TrainingError, match=r"4 bad steps in a row .* after 2 returns to the state saved last"):
        train(
            Loop(epochs=9),
            batches=bad_batches(make_line_batch, range(1, 1000)),
            numerics=Numerics(rollback_after=4, max_rollbacks=2),
            calls=calls,
        )
    assert calls.saved == []


@pytest.mark.parametrize("name", ["epochs", "log_every", "save_every", "keep"])
def test_numbers_below_one_are_refused(name):
    with pytest.raises(ConfigError, match=f"loop.{name} is 0; give 1 or more"):
        Loop(**{name: 0})


def test_a_negative_evaluation_period_is_refused():
    with pytest.raises(ConfigError, match=r"loop.evaluate_every is -1; give 0 or more epochs"):
        Loop(evaluate_every=-1)


@pytest.mark.parametrize(("evaluate_every", "save_every"), [(0, 5), (2, 5), (5, 1)])
def test_a_best_metric_needs_an_evaluation_for_every_checkpoint(evaluate_every, save_every):
    with pytest.raises(
        ConfigError, match=r"loop.best_metric is 'val/x', so every checkpoint needs an evaluation; make"
    ):
        Loop(best_metric="val/x", evaluate_every=evaluate_every, save_every=save_every)


STOPPING = Loop(epochs=9, evaluate_every=1, save_every=1, best_metric="val/recall", best_is="smaller", patience=2)


def test_training_ends_when_validation_becomes_no_better(train):
    calls, state = train(STOPPING)  # whose score grows at every evaluation
    assert calls.evaluated == [3, 6, 9]
    assert int(state.step) == 9
    step, scores = calls.saved[-1]
    assert (step, scores["stopping/best"], scores["stopping/waited"]) == (9, pytest.approx(0.3), 2)


def test_patience_goes_on_where_it_was_saved(train):
    calls, state = train(STOPPING)
    step, scores = calls.saved[-2]
    assert (step, scores["stopping/waited"]) == (6, 1)
    again, _ = train(STOPPING, saved=scores)
    assert again.evaluated == [3]
    assert again.saved[-1][1]["stopping/waited"] == 2
    ended, _ = train(STOPPING, state=state, saved=calls.saved[-1][1])
    assert ended.saved == ended.evaluated == []


@pytest.mark.parametrize("fields", [{"patience": 2}, {"patience": 0, "best_metric": "val/recall"}])
def test_patience_needs_a_number_and_a_metric(fields):
    with pytest.raises(ConfigError, match=r"give 1 or more, and name what is watched as loop\.best_metric"):
        Loop(evaluate_every=1, save_every=1, **fields)


@pytest.mark.parametrize("keep_every", [-2, 3])
def test_what_is_kept_for_good_is_among_what_is_saved(keep_every):
    with pytest.raises(ConfigError, match=rf"keep_every is {keep_every}; give a multiple of save_every \(2\), or 0"):
        Loop(save_every=2, keep_every=keep_every)


STAGES = (Stage(epochs=1, pattern="slope$"), Stage(epochs=3, pattern=""))


def test_every_stage_begins_anew_and_its_end_is_evaluated_and_saved(train):
    calls, state = train(Loop(epochs=4, evaluate_every=4, save_every=4, stages=STAGES))
    assert (int(state.step), state.horizon.stage) == (12, 1)
    assert calls.begun == [0, 3]
    assert calls.evaluated == [3, 12]
    assert [step for step, _ in calls.saved] == [3, 12]
    assert calls.lasts == [False, True]


def test_what_a_stage_does_not_train_stays_to_the_bit_and_a_run_goes_on_inside_any_stage(train):
    loop = Loop(epochs=4, evaluate_every=1, save_every=1, stages=STAGES)
    calls, whole = train(loop)
    assert float(calls.states[3].params["line"]["noise"]) == 0 != float(whole.params["line"]["noise"])
    assert float(calls.states[3].params["line"]["slope"]) != 0
    for step in (3, 6):
        _, again = train(loop, state=calls.states[step])
        for one, other in zip(jax.tree.leaves(whole), jax.tree.leaves(again), strict=True):
            np.testing.assert_array_equal(one, other)


def test_a_return_to_an_earlier_stage_trains_what_that_stage_does(train, make_line_batch):
    spoilt = iter([True] * 3)

    def batches(step):
        batch = make_line_batch(step)
        return {**batch, "y": batch["y"] * np.nan} if step >= 4 and next(spoilt, False) else batch

    calls, state = train(
        Loop(epochs=4, stages=STAGES), batches=batches, numerics=Numerics(rollback_after=3, max_rollbacks=2)
    )
    assert calls.begun == [0, 3, 0, 3]
    assert int(state.step) == 12


def test_stages_take_all_epochs():
    with pytest.raises(ConfigError, match=r"loop.stages take 1 \+ 3 epochs, but loop.epochs is 5; make them agree"):
        Loop(epochs=5, stages=STAGES)
