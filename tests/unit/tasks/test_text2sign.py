import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxmm import (
    AdamW,
    DanceTextTask,
    Freeze,
    MotionText,
    ProceduralSigns,
    SignCritic,
    SignGenerator,
    SignObjective,
    SignText,
    Text2SignTask,
    TransformerText,
)
from jaxmm.data.dataset import Dataset
from jaxmm.errors import ConfigError
from jaxmm.generators.lengths import LengthBins
from jaxmm.horizon import Horizon, Stage
from jaxmm.optim import path_name

HORIZON = Horizon(epochs=2, steps_per_epoch=3)
MAX_FRAMES = 16
TASK = Text2SignTask(
    text=TransformerText(vocab_size=64, dim=8, num_layers=1, num_heads=2, feedforward_dim=16, max_positions=16),
    generator=SignGenerator(
        hidden_dim=8,
        num_layers=1,
        num_heads=2,
        noise_dim=4,
        max_frames=MAX_FRAMES,
        lengths=LengthBins(shortest=4, longest=MAX_FRAMES),
    ),
    critic=SignCritic(base_dim=4, conditional=True),
    ema_decay=0.5,
)


@pytest.fixture(scope="module")
def settings():
    source = ProceduralSigns(num_glosses=8, takes=1, num_sentences=12, num_held_out=None)
    return SignText(source=source, fps=3.0, max_frames=MAX_FRAMES, max_tokens=8, batch_size=4)


@pytest.fixture(scope="module")
def data(settings, tmp_path_factory):
    return settings.open(tmp_path_factory.mktemp("assets"))


@pytest.fixture(scope="module")
def batch(data):
    return {name: jnp.asarray(rows) for name, rows in data.sample_batch().items()}


@functools.cache
def compiled(task):
    return jax.jit(task.train_step)


@functools.cache
def initial(task):
    return jax.jit(task.init, static_argnums=2)


def started(task, batch):
    return initial(task)(jax.random.key(0), batch, HORIZON)


def steps(task, batch, count=1, state=None):
    state = started(task, batch) if state is None else state
    metrics = {}
    for _ in range(count):
        state, metrics = compiled(task)(state, batch)
    return state, metrics


def changed(old, new):
    """Returns the names of the parts of two trees of parameters that differ."""
    return {
        name
        for name in old
        if any(
            np.any(one != other)
            for one, other in zip(jax.tree.leaves(old[name]), jax.tree.leaves(new[name]), strict=True)
        )
    }


def test_both_players_learn_and_the_frozen_backbone_does_not(batch):
    state = started(TASK, batch)
    after, metrics = steps(TASK, batch, state=state)
    assert changed(state.params, after.params) == {"generator", "critic", "text"}
    assert changed(state.params["text"], after.params["text"]) == {"projection"}
    assert all(np.isfinite(value) for value in metrics.values())


def test_the_length_head_is_trained(batch):
    """D3."""
    task = dataclasses.replace(TASK, optimizer=AdamW(lr=0.02, end_lr=0.02, weight_decay=0.0))
    _, first = steps(task, batch)
    _, later = steps(task, batch, 40)
    assert later["length"] < 0.5 * first["length"]


def test_rows_without_an_example_change_no_loss(batch):
    masked = {**batch, "example_mask": batch["example_mask"].at[3].set(False)}
    spoilt = {**masked, "frames": masked["frames"].at[3].set(50.0)}
    found = steps(TASK, spoilt)[1]
    for name, value in steps(TASK, masked)[1].items():
        assert float(found[name]) == pytest.approx(float(value), rel=1e-5, abs=1e-6), name


def test_a_bad_number_in_the_data_changes_nothing_but_the_counts(batch):
    state, _ = steps(TASK, batch)
    bad = {**batch, "frames": batch["frames"].at[0, 0, 0].set(jnp.nan)}
    after, _ = steps(TASK, bad, state=state)
    for part in ("params", "collections", "opt_state"):
        for old, new in zip(jax.tree.leaves(getattr(state, part)), jax.tree.leaves(getattr(after, part)), strict=True):
            np.testing.assert_array_equal(old, new)
    assert {name: int(guard.skipped) for name, guard in after.guards.items()} == {"generator": 1, "critic": 1}


def test_each_player_has_a_guard_of_its_own(batch):
    """Bone lengths are the generator's alone; where they are bad, the critic learns on."""
    state, _ = steps(TASK, batch)
    after, _ = steps(TASK, {**batch, "std": batch["std"] * jnp.inf}, state=state)
    assert changed(state.params, after.params) == {"critic"}
    assert {name: int(guard.skipped) for name, guard in after.guards.items()} == {"generator": 1, "critic": 0}
    # Numbers so large that the critic's gradient overflows, while the generator's losses grow as they do.
    huge = batch["frames"].at[0, 0, 0].set(1e30).at[1, 0, 0].set(-1e30)
    after, _ = steps(TASK, {**batch, "frames": huge}, state=state)
    assert changed(state.params, after.params) == {"generator", "text"}
    assert {name: int(guard.skipped) for name, guard in after.guards.items()} == {"generator": 0, "critic": 1}


def test_the_critic_waits_until_its_judgement_counts(batch):
    task = dataclasses.replace(TASK, objective=SignObjective(adversarial_from=1.0))
    state = started(task, batch)
    early, _ = steps(task, batch, 3, state=state)
    assert changed(state.params, early.params) == {"generator", "text"}
    assert changed(early.params, steps(task, batch, state=early)[0].params) == {"generator", "text", "critic"}


def test_without_its_weight_there_is_no_critic(batch):
    task = dataclasses.replace(TASK, objective=SignObjective(adversarial=0.0))
    after, metrics = steps(task, batch)
    assert set(after.params) == {"generator", "text"}
    assert set(after.guards) == set(after.opt_state) == {"generator"}
    assert "adversarial" not in metrics


def test_losses_begin_in_their_turn():
    objective = SignObjective(geometry_from=1.0, adversarial_from=2.0, ramp_epochs=2.0)
    found = [
        [round(float(weight), 3) for weight in objective.weights(jnp.int32(step), steps_per_epoch=10)]
        for step in (0, 10, 20, 30, 40)
    ]
    assert found == [[1, 0, 0], [1, 0, 0], [1, 0.1, 0], [1, 0.2, 0.5], [1, 0.2, 1]]


def test_the_running_mean_generates(batch):
    """The mean follows the parameters, and is what generates."""
    state, _ = steps(TASK, batch, 3)
    asked = {**batch, "noise": TASK.generator.draw_noise(jax.random.key(0), batch=4), "length": jnp.full(4, 9)}
    own = TASK.generate(state.params, state.collections, asked)
    moved = {**state.params, "generator": jax.tree.map(lambda leaf: leaf + 1, state.params["generator"])}
    np.testing.assert_array_equal(TASK.generate(moved, state.collections, asked)["frames"], own["frames"])
    plain = dataclasses.replace(TASK, ema_decay=0.0)
    assert np.abs(plain.generate(moved, {}, asked)["frames"] - own["frames"]).max() > 1e-3
    gap = np.abs(
        state.collections["ema"]["generator"]["out"]["kernel"] - state.params["generator"]["out"]["kernel"]
    ).max()
    assert 0 < gap < 1e-3


def test_new_noise_for_the_critic_changes_what_it_judges(batch):
    other = dataclasses.replace(TASK, new_noise=True)
    first, second = steps(TASK, batch)[1], steps(other, batch)[1]
    assert first["critic/real"] == second["critic/real"]
    assert first["critic/made"] != second["critic/made"]
    assert first["reconstruction"] == second["reconstruction"]


def test_lengths_that_are_given_are_kept_and_the_chosen_ones_can_be_reached(batch):
    state = started(TASK, batch)
    asked = {
        **batch,
        "noise": TASK.generator.draw_noise(jax.random.key(0), batch=4),
        "length": jnp.array([0, 5, 16, 40]),
    }
    made = TASK.generate(state.params, state.collections, asked)
    lengths = made["frame_mask"].sum(axis=1).tolist()
    assert lengths[1:] == [5, 16, 16]
    assert 4 <= lengths[0] <= 16
    assert not made["landmark_mask"][1, 5:].any()


def test_generated_frames_do_not_depend_on_the_backbones_cache(batch, data):
    state = started(TASK, batch)

    def embed(function, batches):
        return (np.asarray(function(state.params, {}, jax.tree.map(jnp.asarray, texts))) for texts in batches)

    put_in = TASK.precompute(state.params, data, embed, HORIZON)
    raw = next(data.train_batches(seed=0))
    cached = put_in(raw)
    assert "frozen_states" in cached
    found = steps(TASK, jax.tree.map(jnp.asarray, cached))[1]
    for name, value in steps(TASK, jax.tree.map(jnp.asarray, raw))[1].items():
        assert float(found[name]) == pytest.approx(float(value), rel=1e-5, abs=1e-6), name


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"max_frames": 8}, "task.generator.max_frames is 16, but data.max_frames 8; make them equal"),
        ({"max_tokens": 32}, "data.max_tokens is 32, but task.text takes 16 tokens at most"),
    ],
)
def test_data_that_do_not_fit_are_refused(change, message, settings, tmp_path):
    opened = dataclasses.replace(settings, **change).open(tmp_path)
    with pytest.raises(ConfigError, match=message):
        TASK.check_data(opened)


def test_signers_must_be_as_many_as_the_data_have(data):
    known = dataclasses.replace(TASK, generator=TASK.generator.clone(num_signers=3))
    with pytest.raises(ConfigError, match=r"num_signers is 3, but the training split has \d+ signers"):
        known.check_data(data)
    dataclasses.replace(TASK, generator=TASK.generator.clone(num_signers=len(data.signers))).check_data(data)


def test_each_system_refuses_the_data_of_the_other(data):
    task = DanceTextTask(text=TASK.text, freeze=Freeze("nothing"))
    with pytest.raises(ConfigError, match="data are SignText; DanceTextTask learns from MotionText"):
        task.check_data(data)
    with pytest.raises(ConfigError, match="data are MotionText; Text2SignTask learns from SignText"):
        TASK.check_data(Dataset(MotionText(), data._stored, {}))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ema_decay": 1.0}, "ema_decay is 1.0"),
        ({"pooling": "mean"}, "frames ask every token"),
        ({"generator": SignGenerator(frame_dim=12)}, "frame_dim is 12; a frame has 540"),
        ({"generator": SignGenerator(num_landmarks=3)}, "num_landmarks is 3; set it to 169"),
        ({"objective": SignObjective(bones=(("body/NOSE", "tail"),))}, "'tail' is no end of a bone"),
    ],
)
def test_settings_that_do_not_fit_are_refused(change, message):
    with pytest.raises(ConfigError, match=message):
        dataclasses.replace(TASK, **change)


def test_training_is_asked_of_train_step(batch):
    state = started(TASK, batch)
    with pytest.raises(ConfigError, match="trained by train_step"):
        TASK.loss(state.params, state.collections, batch, state.step_key(), train=True)
    assert np.isfinite(TASK.eval_step(state, batch)["loss"])


def leaves_of(tree):
    return {path_name(path): np.asarray(leaf) for path, leaf in jax.tree_util.tree_leaves_with_path(tree)}


def staged(*patterns):
    stages = tuple(Stage(epochs=1, pattern=pattern) for pattern in patterns)
    return Horizon(epochs=len(stages), steps_per_epoch=1, stages=stages)


def test_stages_train_their_own_part_of_either_player_and_the_mean_follows(batch):
    run = staged("^generator/out/", "^(critic|text)/")
    state = initial(TASK)(jax.random.key(0), batch, run)
    # As after pretrained weights were loaded, of which the mean knows nothing.
    state = dataclasses.replace(state, params=jax.tree.map(lambda leaf: leaf + 0.01, state.params))
    before, moved = leaves_of(state.params), []
    for step in range(2):
        state, _ = compiled(TASK)(dataclasses.replace(state, horizon=run.at(step)), batch)
        after, means = leaves_of(state.params), leaves_of(state.collections["ema"])
        moved.append({name for name in after if not np.array_equal(before[name], after[name])})
        for name, mean in means.items():
            assert np.array_equal(mean, after[name]) == all(name not in names for names in moved), name
        before = after
    out, text = {"generator/out/kernel", "generator/out/bias"}, {"text/projection/kernel", "text/projection/bias"}
    assert moved[0] == out
    assert {name for name in moved[1] if not name.startswith("critic/")} == out | text
    assert any(name.startswith("critic/") for name in moved[1])
    assert all(int(guard.skipped) == 0 for guard in state.guards.values())


def test_a_stage_may_be_of_the_critic_alone(batch):
    run = staged("^critic/", "^generator/")
    state = jax.eval_shape(lambda: TASK.init(jax.random.key(0), batch, run))
    state = dataclasses.replace(state, horizon=run.at(0))
    after, _ = jax.eval_shape(TASK.train_step, state, batch)
    assert jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), after) == jax.tree.map(
        lambda leaf: (leaf.shape, leaf.dtype), state
    )


def test_a_stage_that_names_nothing_of_either_player_is_refused(batch):
    run = staged("^generator/", "^judge/")
    with pytest.raises(ConfigError, match=r"loop\.stages\[1\]: pattern '\^judge/' matches no parameter"):
        jax.eval_shape(lambda: TASK.init(jax.random.key(0), batch, run))
