"""Our optimizer against the recipe of seed 000 in torch: learning rates, trajectories, frozen parameters."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxmm.encoders.heads import ProjectionHead
from jaxmm.horizon import Horizon
from jaxmm.objectives.contrastive import symmetric_infonce
from jaxmm.optim import AdamW, Group, moving_part, with_moving
from jaxmm.tasks.dance_text import DanceTextTask

from . import torch_reference
from .torch_reference import F, torch

RATE_TOLERANCE = 1e-7
PARAMETER_TOLERANCE = 1e-5
EPOCHS, STEPS_PER_EPOCH, BATCH = 6, 5, 16
SEED_RECIPE = DanceTextTask().optimizer


class MotionTower(torch.nn.Module):
    """A motion tower small enough to train in a test."""

    def __init__(self):
        super().__init__()
        self.hidden, self.out = torch.nn.Linear(12, 32), torch.nn.Linear(32, 8)

    def forward(self, x):
        return F.normalize(self.out(torch.relu(self.hidden(x))), p=2, dim=1)


def two_towers():
    torch.manual_seed(0)
    return torch_reference.TwoTowers(MotionTower(), torch_reference.ProjectionHead(hidden_size=10, embedding_dim=8))


def our_params(model):
    def dense(layer):
        return {"kernel": jnp.array(layer.weight.detach().numpy().T), "bias": jnp.array(layer.bias.detach().numpy())}

    motion, text = model.dance_encoder, model.text_encoder.projection
    return {
        "motion": {"hidden": dense(motion.hidden), "out": dense(motion.out)},
        "text": {"head": {"hidden": dense(text[0]), "out": dense(text[2])}},
    }


def batches():
    generator = np.random.default_rng(1)
    return [
        tuple(generator.normal(size=(BATCH, width)).astype(np.float32) for width in (12, 10))
        for _ in range(EPOCHS * STEPS_PER_EPOCH)
    ]


def torch_trajectory(model, *, weight_decay, frozen=()):
    """Parameters after each epoch, in our arrangement."""
    for name, parameter in model.named_parameters():
        parameter.requires_grad = name not in frozen
    optimizer, scheduler = torch_reference.optimizer_and_scheduler(model, weight_decay=weight_decay, epochs=EPOCHS)
    found = []
    for step, (motion, text) in enumerate(batches(), 1):
        loss = torch_reference.compute_loss(
            model.dance_encoder(torch.tensor(motion)), model.text_encoder(torch.tensor(text))
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % STEPS_PER_EPOCH == 0:
            scheduler.step()
            found.append(our_params(model))
    return found


def our_trajectory(params, settings, frozen=frozenset()):
    motion_tower, text_tower = ProjectionHead(32, 8), ProjectionHead(512, 8)
    horizon = Horizon(epochs=EPOCHS, steps_per_epoch=STEPS_PER_EPOCH)
    transform = settings.build(params, horizon=horizon, frozen=frozen)
    still = frozen | settings.frozen(params, Horizon())

    def loss(moving, params, motion, text):
        params = with_moving(moving, params)
        motion = motion_tower.apply({"params": params["motion"]}, motion)
        text = text_tower.apply({"params": params["text"]["head"]}, text)
        return symmetric_infonce(motion, text, temperature=0.07).mean()

    @jax.jit
    def update(params, opt_state, motion, text):
        moving = moving_part(params, still)
        updates, opt_state = transform.update(jax.grad(loss)(moving, params, motion, text), opt_state, moving)
        return with_moving(optax.apply_updates(moving, updates), params), opt_state

    found, opt_state = [], transform.init(moving_part(params, still))
    for step, (motion, text) in enumerate(batches(), 1):
        params, opt_state = update(params, opt_state, motion, text)
        if step % STEPS_PER_EPOCH == 0:
            found.append(params)
    return found


def assert_relatively_close(ours, theirs, tolerance):
    """Compares tensor by tensor, relative to the largest number of each."""
    assert jax.tree.structure(ours) == jax.tree.structure(theirs)
    for (path, leaf), reference in zip(jax.tree_util.tree_leaves_with_path(ours), jax.tree.leaves(theirs), strict=True):
        scale = float(np.abs(reference).max())
        np.testing.assert_allclose(leaf / scale, reference / scale, rtol=0, atol=tolerance, err_msg=str(path))


def torch_rates(epochs):
    """The two groups' rates in each epoch, and after the last."""
    optimizer, scheduler = torch_reference.optimizer_and_scheduler(two_towers(), epochs=epochs)
    rates = [scheduler.get_last_lr()]
    for _ in range(epochs):
        optimizer.step()
        scheduler.step()
        rates.append(scheduler.get_last_lr())
    return np.array(rates).T


def our_rates(settings, scale, epochs, steps_per_epoch):
    rate = settings.schedule(scale, Horizon(epochs=epochs, steps_per_epoch=steps_per_epoch))
    return np.asarray(jax.jit(jax.vmap(rate))(jnp.arange((epochs + 1) * steps_per_epoch, dtype=jnp.int32)), np.float64)


@pytest.mark.parametrize(("epochs", "steps_per_epoch"), [(50, 7), (1, 3), (2, 1), (300, 2)])
def test_learning_rates_of_both_groups_equal_torch_in_every_step(epochs, steps_per_epoch):
    theirs = torch_rates(epochs)
    by_pattern = {group.pattern: group.lr_scale for group in SEED_RECIPE.groups}
    for expected, scale in zip(theirs, (by_pattern[""], by_pattern["^text/"]), strict=True):
        ours = our_rates(SEED_RECIPE, scale, epochs, steps_per_epoch)
        np.testing.assert_allclose(ours, np.repeat(expected, steps_per_epoch), rtol=RATE_TOLERANCE, atol=0)


def test_rates_start_at_the_seeds_and_end_at_one_millionth():
    motion, text = (our_rates(SEED_RECIPE, scale, epochs=50, steps_per_epoch=4) for scale in (1.0, 0.1))
    np.testing.assert_allclose([motion[0], text[0]], [3e-4, 3e-5], rtol=RATE_TOLERANCE)
    np.testing.assert_allclose([motion[-1], text[-1]], 1e-6, rtol=RATE_TOLERANCE)
    assert (np.diff(motion) <= 0).all() and (np.diff(text) <= 0).all()
    assert len(set(motion)) == len(set(text)) == 51  # a new rate each epoch, not each step


def test_the_task_trains_by_the_recipe_of_the_seed():
    assert (SEED_RECIPE.lr, SEED_RECIPE.end_lr, SEED_RECIPE.weight_decay) == (3e-4, 1e-6, 1e-5)
    group = torch_reference.optimizer_and_scheduler(two_towers())[0].param_groups[0]
    assert (SEED_RECIPE.b1, SEED_RECIPE.b2, SEED_RECIPE.epsilon) == (*group["betas"], group["eps"])
    assert SEED_RECIPE.warmup_steps == 0 and SEED_RECIPE.clip_norm is None


@pytest.mark.parametrize("weight_decay", [1e-5, 0.5], ids=["seed", "strong"])
def test_parameters_follow_torch_over_all_epochs(weight_decay):
    start = our_params(two_towers())
    theirs = torch_trajectory(two_towers(), weight_decay=weight_decay)
    ours = our_trajectory(start, dataclasses.replace(SEED_RECIPE, weight_decay=weight_decay))
    for after, reference in zip(ours, theirs, strict=True):
        assert_relatively_close(after, reference, PARAMETER_TOLERANCE)
    # Every tensor has moved much further than the tolerance.
    for before, after in zip(jax.tree.leaves(start), jax.tree.leaves(theirs[-1]), strict=True):
        assert np.abs(after - before).max() / np.abs(before).max() > 50 * PARAMETER_TOLERANCE


def test_frozen_parameters_keep_every_bit_and_the_others_follow_torch():
    start = our_params(two_towers())
    frozen = frozenset({"text/head/hidden/kernel", "motion/out/bias"})
    theirs = torch_trajectory(
        two_towers(), weight_decay=0.5, frozen=("text_encoder.projection.0.weight", "dance_encoder.out.bias")
    )
    ours = our_trajectory(start, dataclasses.replace(SEED_RECIPE, weight_decay=0.5), frozen)[-1]
    assert np.array_equal(ours["text"]["head"]["hidden"]["kernel"], start["text"]["head"]["hidden"]["kernel"])
    assert np.array_equal(ours["motion"]["out"]["bias"], start["motion"]["out"]["bias"])
    assert_relatively_close(ours, theirs[-1], PARAMETER_TOLERANCE)


def test_a_frozen_group_keeps_every_bit():
    start = our_params(two_towers())
    groups = (Group(pattern="^text/", lr_scale=None), Group(pattern=""))
    ours = our_trajectory(start, AdamW(lr=1e-2, weight_decay=0.5, groups=groups))[-1]
    assert all(map(np.array_equal, jax.tree.leaves(ours["text"]), jax.tree.leaves(start["text"])))
    assert not any(map(np.array_equal, jax.tree.leaves(ours["motion"]), jax.tree.leaves(start["motion"])))
