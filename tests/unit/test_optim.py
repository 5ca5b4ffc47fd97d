import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxmm.errors import ConfigError
from jaxmm.horizon import Horizon, Stage
from jaxmm.optim import AdamW, Group, moving_part, path_name, with_moving

HORIZON = Horizon(epochs=4, steps_per_epoch=5)


@pytest.fixture
def params():
    return {
        "motion": {"conv": jnp.full(2, 2.0)},
        "text": {"backbone": {"kernel": jnp.full(3, -1.0)}, "head": jnp.full(2, 0.5)},
    }


def steps(settings, params, num_steps=1, *, grads=None, frozen=frozenset()):
    """Returns the parameters after some updates with unit gradients."""
    transform = settings.build(params, horizon=HORIZON, frozen=frozen)
    moving = moving_part(params, frozen | settings.frozen(params, HORIZON))
    state = transform.init(moving)
    grads = jax.tree.map(jnp.ones_like, moving) if grads is None else grads
    for _ in range(num_steps):
        updates, state = transform.update(grads, state, moving)
        moving = optax.apply_updates(moving, updates)
    return with_moving(moving, params)


def same(a, b):
    return np.array_equal(np.asarray(a), np.asarray(b))


def test_the_run_is_as_long_as_its_epochs():
    assert HORIZON.num_steps == 20


def test_path_names_join_modules_and_variables(params):
    names = [path_name(path) for path, _ in jax.tree_util.tree_leaves_with_path(params)]
    assert names == ["motion/conv", "text/backbone/kernel", "text/head"]


def test_the_first_step_moves_each_group_by_its_own_rate(params):
    groups = (Group(pattern="^text/", lr_scale=0.1), Group(pattern="^motion/"))
    after = steps(AdamW(lr=0.1, weight_decay=0.0, groups=groups), params)
    np.testing.assert_allclose(after["motion"]["conv"], params["motion"]["conv"] - 0.1, rtol=1e-5)
    np.testing.assert_allclose(after["text"]["head"], params["text"]["head"] - 0.01, rtol=1e-5)


def test_a_parameter_belongs_to_the_first_group_that_matches(params):
    settings = AdamW(lr=0.1, weight_decay=0.0, groups=(Group(pattern="head", lr_scale=0.5), Group(pattern="")))
    before, after = params["text"], steps(settings, params)["text"]
    np.testing.assert_allclose(after["head"], before["head"] - 0.05, rtol=1e-5)
    np.testing.assert_allclose(after["backbone"]["kernel"], before["backbone"]["kernel"] - 0.1, rtol=1e-5)


def test_an_update_equals_adamw_written_out(params):
    settings = AdamW(lr=0.01, end_lr=0.01, weight_decay=0.1, b1=0.8, b2=0.95, epsilon=1e-6)
    after = steps(settings, params, 3)
    for start, end in zip(jax.tree.leaves(params), jax.tree.leaves(after), strict=True):
        x, first, second = np.asarray(start, np.float64), 0.0, 0.0
        for step in range(1, 4):
            first, second = 0.8 * first + 0.2, 0.95 * second + 0.05
            direction = (first / (1 - 0.8**step)) / (np.sqrt(second / (1 - 0.95**step)) + 1e-6)
            x = x - 0.01 * (direction + 0.1 * x)
        np.testing.assert_allclose(end, x, rtol=1e-5)


def test_an_uncovered_parameter_is_named(params):
    with pytest.raises(ConfigError, match=r"no pattern matches the parameter motion/conv; add a last group .* ''"):
        AdamW(groups=(Group(pattern="^text/"),)).build(params, horizon=HORIZON)


def test_a_group_that_nothing_is_left_for_is_an_error(params):
    groups = (Group(pattern=""), Group(pattern="head"))
    with pytest.raises(ConfigError, match=r"optimizer\.groups\[1\]: pattern 'head' matches no parameter .* correct or"):
        AdamW(groups=groups).build(params, horizon=HORIZON)


def test_a_pattern_that_is_no_regular_expression_is_an_error(params):
    with pytest.raises(ConfigError, match=r"'\['"):
        AdamW(groups=(Group(pattern="["),)).build(params, horizon=HORIZON)


def test_frozen_parameters_stay_bit_equal_and_do_not_decay(params):
    frozen = frozenset({"text/backbone/kernel"})
    after = steps(AdamW(lr=0.1, weight_decay=0.5), params, 5, frozen=frozen)
    assert same(after["text"]["backbone"]["kernel"], params["text"]["backbone"]["kernel"])
    assert not same(after["text"]["head"], params["text"]["head"])


def test_a_group_without_rate_is_frozen(params):
    groups = (Group(pattern="backbone", lr_scale=None), Group(pattern=""))
    after = steps(AdamW(lr=0.1, weight_decay=0.5, groups=groups), params, 5)
    assert same(after["text"]["backbone"]["kernel"], params["text"]["backbone"]["kernel"])
    assert not same(after["motion"]["conv"], params["motion"]["conv"])


def test_frozen_parameters_may_have_a_group_of_their_own(params):
    groups = (Group(pattern="backbone"), Group(pattern=""))
    frozen = frozenset({"text/backbone/kernel"})
    after = steps(AdamW(groups=groups), params, 2, frozen=frozen)
    assert same(after["text"]["backbone"]["kernel"], params["text"]["backbone"]["kernel"])


@pytest.mark.parametrize(
    "field", [{"epsilon": 0.0}, {"b1": 1.0}, {"b2": 1.0}, {"lr": -1.0}, {"weight_decay": float("nan")}]
)
def test_numbers_that_make_updates_that_are_not_finite_are_refused(field):
    with pytest.raises(ConfigError, match=f"optimizer.{next(iter(field))} is"):
        AdamW(**field)


def test_a_group_that_climbs_is_refused():
    with pytest.raises(ConfigError, match=r"lr_scale is -1.0; give 0 or more, or None to freeze"):
        Group(pattern="", lr_scale=-1.0)


def test_frozen_parameters_have_no_moments(params):
    frozen = frozenset({"text/backbone/kernel"})
    state = AdamW().build(params, horizon=HORIZON, frozen=frozen).init(moving_part(params, frozen))
    kept = [leaf.shape for leaf in jax.tree.leaves(state) if hasattr(leaf, "shape")]
    assert (3,) not in kept
    assert kept.count((2,)) == 4


def test_the_rate_is_constant_within_an_epoch_and_a_cosine_over_epochs():
    rate = AdamW(lr=1.0, end_lr=0.2).schedule(1.0, HORIZON)
    rates = np.array([float(rate(step)) for step in range(HORIZON.num_steps + 1)])
    expected = 0.2 + 0.8 * (1 + np.cos(np.pi * np.arange(4) / 4)) / 2
    np.testing.assert_allclose(rates[:20].reshape(4, 5), np.tile(expected[:, None], (1, 5)), rtol=1e-5)
    assert rates[20] == pytest.approx(0.2)


def test_all_groups_end_at_the_same_rate_and_stay_there():
    settings = AdamW(lr=1e-3, end_lr=1e-6)
    for scale in (1.0, 0.1):
        assert float(settings.schedule(scale, HORIZON)(0)) == pytest.approx(1e-3 * scale)
        for step in (HORIZON.num_steps, 10 * HORIZON.num_steps):
            assert float(settings.schedule(scale, HORIZON)(step)) == pytest.approx(1e-6, rel=1e-3)


def test_warmup_grows_linearly_from_above_zero_to_the_cosine():
    warm = AdamW(lr=1.0, warmup_steps=4).schedule(1.0, HORIZON)
    np.testing.assert_allclose([float(warm(step)) for step in range(5)], [0.25, 0.5, 0.75, 1.0, 1.0], rtol=1e-5)
    plain = AdamW(lr=1.0).schedule(1.0, HORIZON)
    assert [float(warm(step)) for step in range(4, 20)] == [float(plain(step)) for step in range(4, 20)]


def test_clipping_bounds_the_global_norm_before_the_moments(params):
    settings = AdamW(lr=0.1, b1=0.0, b2=0.0, epsilon=1.0, weight_decay=0.0, clip_norm=0.5)
    grads = jax.tree.map(lambda leaf: 100 * jnp.ones_like(leaf), params)
    after = steps(settings, params, grads=grads)
    clipped = 0.5 / np.sqrt(7)  # seven entries share the norm equally
    moved = 0.1 * clipped / (clipped + 1)
    for start, end in zip(jax.tree.leaves(params), jax.tree.leaves(after), strict=True):
        np.testing.assert_allclose(start - end, moved, rtol=1e-4)


def test_clipping_leaves_a_small_gradient_alone(params):
    grads = jax.tree.map(lambda leaf: 0.01 * jnp.ones_like(leaf), params)
    plain = steps(AdamW(epsilon=1.0), params, grads=grads)
    clipped = steps(AdamW(epsilon=1.0, clip_norm=1.0), params, grads=grads)
    for a, b in zip(jax.tree.leaves(plain), jax.tree.leaves(clipped), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)


def test_the_rate_starts_again_after_each_cosine_which_take_ever_longer():
    settings = AdamW(lr=1.0, end_lr=0.25, restart_epochs=2)
    rate = settings.schedule(1.0, Horizon(epochs=9, steps_per_epoch=3))
    by_epoch = [float(rate(3 * epoch)) for epoch in range(9)]
    assert [by_epoch[epoch] for epoch in (0, 2, 6)] == [1.0, 1.0, 1.0]
    assert by_epoch[1] == pytest.approx(0.625)
    assert by_epoch[4] == pytest.approx(0.625)
    assert by_epoch[2:6] == sorted(by_epoch[2:6], reverse=True)
    with pytest.raises(ConfigError, match="restart_epochs is 0; give 1 or more, or None"):
        AdamW(restart_epochs=0)


def test_a_group_may_decay_by_a_rate_of_its_own():
    params = {"tower": jnp.ones(2), "head": jnp.ones(2)}
    settings = AdamW(lr=0.1, weight_decay=0.5, groups=(Group(pattern="tower", weight_decay=0.0), Group(pattern="")))
    transform = settings.build(params, horizon=Horizon(epochs=1, steps_per_epoch=1))
    still = jax.tree.map(jnp.zeros_like, params)
    updates, _ = transform.update(still, transform.init(params), params)
    np.testing.assert_array_equal(updates["tower"], 0)
    np.testing.assert_allclose(updates["head"], -0.05, rtol=1e-6)
    with pytest.raises(ConfigError, match="weight_decay is -1"):
        Group(pattern="", weight_decay=-1)


STAGED = Horizon(
    epochs=3,
    steps_per_epoch=2,
    stages=(Stage(epochs=1, pattern="^text/head"), Stage(epochs=2, pattern="^motion/", lr_scale=0.5)),
)


def gradient(step):
    """The gradient of every parameter in an update, which differs from one to the next."""
    return (-1.0) ** (step // 2) * (step + 1)


def staged(settings, params):
    """Returns the parameters and the optimizer's state after each update of a staged run."""
    state = settings.build(params, horizon=STAGED).init(moving_part(params, settings.frozen(params, STAGED)))
    for step in range(STAGED.num_steps):
        horizon = STAGED.at(step)
        moving = moving_part(params, settings.frozen(params, horizon))
        grads = jax.tree.map(lambda leaf, step=step: jnp.full_like(leaf, gradient(step)), moving)
        updates, state = settings.build(params, horizon=horizon).update(grads, state, moving)
        params = with_moving(optax.apply_updates(moving, updates), params)
        yield params, state


def test_a_stage_begins_its_own_parameters_and_those_before_go_on(params):
    """By hand: two parameters of AdamW, of which one starts two updates later; the rates are those of the stages."""
    settings = AdamW(lr=0.1, end_lr=0.0, weight_decay=0.1, clip_norm=None, b1=0.8, b2=0.95)
    rates = [0.1, 0.1, 0.05, 0.05, 0.025, 0.025]
    expected, first, second = {"text/head": 0.5, "motion/conv": 2.0}, {}, {}
    for step, (after, _) in enumerate(staged(settings, params)):
        for name, since in {"text/head": step, "motion/conv": step - 2}.items():
            if since < 0:
                continue
            first[name] = 0.8 * first.get(name, 0.0) + 0.2 * gradient(step)
            second[name] = 0.95 * second.get(name, 0.0) + 0.05 * gradient(step) ** 2
            mean, root = first[name] / (1 - 0.8 ** (since + 1)), (second[name] / (1 - 0.95 ** (since + 1))) ** 0.5
            expected[name] -= rates[step] * (mean / root + 0.1 * expected[name])
        np.testing.assert_allclose(after["text"]["head"], expected["text/head"], atol=1e-5)
        np.testing.assert_allclose(after["motion"]["conv"], expected["motion/conv"], atol=1e-5)
        assert same(after["text"]["backbone"]["kernel"], params["text"]["backbone"]["kernel"])


@pytest.mark.parametrize("clip_norm", [None, 1.0])
def test_the_state_of_what_waits_is_untouched_and_that_of_what_goes_on_is_kept(params, clip_norm):
    settings = AdamW(lr=0.1, clip_norm=clip_norm)
    states = [state for _, state in staged(settings, params)]
    counts = [
        sorted(int(leaf) for leaf in jax.tree.leaves(state) if jnp.issubdtype(leaf.dtype, jnp.integer))
        for state in states
    ]
    assert counts[1] == [0, 0, 2, 2]  # Adam and its schedule, of each stage
    assert counts[5] == [4, 4, 6, 6]
    assert len({jax.tree.structure(state) for state in states}) == 1


def test_warming_up_starts_again_with_each_stage():
    settings = AdamW(lr=1.0, end_lr=1.0, warmup_steps=2)
    rates = [float(settings.schedule(1.0, STAGED)(step)) for step in range(6)]
    assert rates == pytest.approx([0.5, 1.0, 0.25, 0.5, 0.75, 0.75])
    late = settings.schedule(1.0, STAGED, begins=1)
    assert [float(late(step)) for step in range(4)] == rates[2:]


def test_a_stage_that_begins_nothing_is_refused(params):
    nothing = Horizon(epochs=2, stages=(Stage(epochs=1, pattern=""), Stage(epochs=1, pattern="^text/")))
    with pytest.raises(ConfigError, match=r"loop.stages\[1\]: pattern '\^text/' matches no parameter that an earlier"):
        AdamW().frozen(params, nothing)
