"""Our text-to-sign modules, losses and alternating update against the corrected seed 004 in torch."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxmm import AdamW, SignCritic, SignGenerator, SignText, Text2SignTask, TransformerText
from jaxmm.data.sign.layout import HOLISTIC
from jaxmm.data.sign.statistics import Statistics
from jaxmm.horizon import Horizon
from jaxmm.tasks.text_features import FROZEN_STATES

from . import torch_text2sign as reference

torch = pytest.importorskip("torch")

VALUE_TOLERANCE = 1e-5
GRADIENT_TOLERANCE = 1e-4
LENGTHS, TOKENS, MAX_FRAMES = (128, 61, 17), (9, 4, 6), 128
BATCH = len(LENGTHS)


def adam(lr):
    return AdamW(lr=lr, end_lr=lr, weight_decay=0.0, b1=0.5, b2=0.9, clip_norm=1.0)


@pytest.fixture(scope="module")
def task():
    return Text2SignTask(
        text=TransformerText(vocab_size=8, dim=768, num_layers=1, num_heads=1, feedforward_dim=8),
        generator=SignGenerator.seed_compatible(),
        critic=SignCritic(),
        ema_decay=0.0,
        optimizer=adam(1e-4),
        critic_optimizer=adam(5e-5),
    )


@pytest.fixture(scope="module")
def batch():
    """Three clips of real shapes and unlike lengths, and the frozen token states of their texts."""
    rng = np.random.default_rng(0)
    statistics = Statistics(
        mean=rng.normal(size=540).astype(np.float32), std=rng.uniform(0.1, 0.5, size=540).astype(np.float32)
    )
    clips = [
        np.cumsum(rng.normal(size=(length, 540), scale=0.1), axis=0).astype(np.float32) + statistics.mean
        for length in LENGTHS
    ]
    stacked = SignText(max_frames=MAX_FRAMES).stack(clips, statistics, num_rows=BATCH)
    return jax.tree.map(
        jnp.asarray,
        {
            **stacked,
            FROZEN_STATES: rng.normal(size=(BATCH, max(TOKENS), 768)).astype(np.float32),
            "token_ids": np.zeros((BATCH, max(TOKENS)), np.int32),
            "token_mask": np.arange(max(TOKENS)) < np.array(TOKENS)[:, None],
            "signer": np.zeros(BATCH, np.int32),
        },
    )


@pytest.fixture
def model():
    torch.manual_seed(1)
    return reference.Text2Sign()


def dense(weight, bias):
    return {"kernel": weight.T, "bias": bias}


def norm(weights, name):
    return {"scale": weights[f"{name}.weight"], "bias": weights[f"{name}.bias"]}


def ours(model):
    """Returns torch's weights, or anything of their shapes, under our names."""
    weights = {name: value.detach().numpy().copy() for name, value in model.state_dict().items()}
    return renamed(weights)


def renamed(weights):
    def layer(name):
        return dense(weights[f"{name}.weight"], weights[f"{name}.bias"])

    def attention(name):
        parts = zip(
            np.split(weights[f"{name}.in_proj_weight"], 3), np.split(weights[f"{name}.in_proj_bias"], 3), strict=True
        )
        query, key, value = (dense(*part) for part in parts)
        return {"query": query, "key": key, "value": value, "out": layer(f"{name}.out_proj")}

    def block(name):
        return {
            "text_attention": attention(f"{name}.attn"),
            "text_attention_norm": norm(weights, f"{name}.norm"),
            "feedforward_norm": norm(weights, f"{name}.ff.0"),
            "feedforward_in": layer(f"{name}.ff.1"),
            "feedforward_out": layer(f"{name}.ff.3"),
        }

    generator = {
        "style": layer("generator.style_proj"),
        "time": {"embedding": weights["generator.time_embed.weight"]},
        "inputs": layer("generator.input_proj"),
        **{f"layer_{place}": block(f"generator.blocks.{place}") for place in range(4)},
        "norm": norm(weights, "generator.output.0"),
        "out": layer("generator.output.1"),
        "length": {"hidden": layer("generator.length_head.net.0"), "out": layer("generator.length_head.net.2")},
    }
    critic = {
        f"conv_{place}": {
            "kernel": weights[f"critic.convs.{place}.weight"].transpose(2, 1, 0),
            "bias": weights[f"critic.convs.{place}.bias"],
        }
        for place in range(4)
    }
    return {
        "text": {"projection": layer("projection")},
        "generator": generator,
        "critic": {**critic, "out": layer("critic.head")},
    }


def start(task, batch, model):
    """Returns our state before the first step, with torch's weights."""
    state = task.init(jax.random.key(0), batch, Horizon(epochs=1, steps_per_epoch=5))
    params = ours(model)
    params["text"]["backbone"] = state.params["text"]["backbone"]
    assert jax.tree.map(jnp.shape, params) == jax.tree.map(jnp.shape, dict(state.params))
    return state.replace(params=jax.tree.map(jnp.asarray, params))


def noise_of(task, state):
    """Returns the noise of the coming step."""
    return task.generator.draw_noise(jax.random.split(state.step_key(), 3)[0], batch=BATCH)


def tensors(batch):
    names = (FROZEN_STATES, "token_mask", "frames", "frame_mask")
    return [torch.from_numpy(np.array(batch[name])) for name in names]


def statistics_of(batch):
    mean, std = (torch.from_numpy(np.array(batch[name][0])) for name in ("mean", "std"))
    return reference.Statistics(mean, std - 1e-6)  # ours bring what is added to the deviation


def assert_close(found, wanted, tolerance, path=()):
    """Compares trees of arrays, in units of the largest value of each leaf where that is above one."""
    if isinstance(wanted, dict):
        assert sorted(found) == sorted(wanted)
        for name in wanted:
            assert_close(found[name], wanted[name], tolerance, (*path, name))
        return
    scale = max(1.0, np.abs(wanted).max())
    worst = np.abs(np.asarray(found) - wanted).max() / scale
    assert worst <= tolerance, ("/".join(path), worst)


def test_the_generator_makes_the_same_clips(task, batch, model):
    state = start(task, batch, model)
    z = noise_of(task, state)
    text_ctx, text_mask, *_ = tensors(batch)
    poses, logits = model.generate(text_ctx, text_mask, torch.from_numpy(np.array(z)))
    made = jax.jit(task._make)(task._own("generator", state.params), batch, z, None)
    assert_close(made.clips.frames, poses.detach().numpy(), VALUE_TOLERANCE)
    assert_close(made.clips.length_logits, logits.detach().numpy(), VALUE_TOLERANCE)


def test_the_critic_gives_the_same_scores(task, batch, model):
    *_, real, frame_mask = tensors(batch)
    scores = model.critic(real, frame_mask).detach().numpy()
    found = task.critic.apply(
        {"params": ours(model)["critic"]}, batch["frames"], batch["frame_mask"], jnp.zeros((3, 256))
    )
    assert_close(found, scores, VALUE_TOLERANCE)


def test_every_loss_and_gradient_of_a_step_agree(task, batch, model):
    state = start(task, batch, model)
    text_ctx, text_mask, real, frame_mask = tensors(batch)
    statistics = statistics_of(batch)
    z = torch.from_numpy(np.array(noise_of(task, state)))
    theirs = reference.alternating_step(
        model, reference.make_optimizers(model), text_ctx, text_mask, real, frame_mask, statistics, z
    )
    _, found = jax.jit(task.train_step)(state, batch)
    names = {
        "critic": "critic/loss",
        "generator": "loss",
        "reconstruction": "reconstruction",
        "adversarial": "adversarial",
        "geometry": "geometry",
        "length": "length",
        "critic_gradient_norm": "grad_norm/critic",
        "generator_gradient_norm": "grad_norm/generator",
    }
    for name, own in names.items():
        tolerance = GRADIENT_TOLERANCE if "gradient" in name else VALUE_TOLERANCE
        assert float(found[own]) == pytest.approx(float(theirs[name]), rel=tolerance, abs=tolerance), name


def test_five_alternating_steps_end_in_the_same_weights(task, batch):
    """In double precision: Adam makes whole steps of gradients that are single precision's rounding errors.

    With a narrow critic, as XLA has no fast convolutions in double precision.
    """
    torch.manual_seed(1)
    model = reference.Text2Sign(critic_base=16)
    task = dataclasses.replace(task, critic=SignCritic(base_dim=16))

    def double(tree):
        return jax.tree.map(lambda leaf: leaf.astype("float64") if leaf.dtype == "float32" else leaf, tree)

    before = ours(model)
    state, model = start(task, batch, model), model.double()
    optimizers = reference.make_optimizers(model)
    with jax.enable_x64(True):
        batch = double(batch)
        state = state.replace(params=double(state.params), opt_state=double(state.opt_state))
        text_ctx, text_mask, real, frame_mask = tensors(batch)
        step = jax.jit(task.train_step)
        for _ in range(5):
            z = torch.from_numpy(np.array(noise_of(task, state)))
            statistics = statistics_of(batch)
            reference.alternating_step(model, optimizers, text_ctx, text_mask, real, frame_mask, statistics, z)
            state, _ = step(state, batch)
        after = ours(model)
        assert_close({**state.params, "text": {"projection": state.params["text"]["projection"]}}, after, 1e-5)
    moved = jax.tree.map(lambda new, old: np.abs(new - old).max(), after, before)
    assert np.median(jax.tree.leaves(moved)) > 1e-4


@pytest.mark.parametrize("variance", ["time", "bones"])
def test_bone_lengths_vary_alike(task, batch, variance):
    objective = dataclasses.replace(task.objective, bone_variance=variance)
    *_, real, frame_mask = tensors(batch)
    statistics = statistics_of(batch)
    wanted = reference.bone_consistency_loss(real, frame_mask, statistics, seed_compatible=variance == "bones")
    restored = batch["frames"] * batch["std"][:, None] + batch["mean"][:, None]
    positions = jnp.asarray(restored[:, :, HOLISTIC.position_features])
    found = objective.geometry_loss(positions, batch["landmark_mask"], objective.bone_indices(HOLISTIC.landmarks))
    assert float(found) == pytest.approx(float(wanted), rel=1e-5)


def test_the_sizes_are_those_of_the_seed(task, model):
    shapes = jax.tree.map(lambda leaf: leaf.size, ours(model))
    assert sum(jax.tree.leaves(shapes["generator"])) == 3_635_068
    assert sum(jax.tree.leaves(shapes["critic"])) == 749_569
