"""One test for each decision about the text-to-sign system: each fails if the mistake of seed 004 came back."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxmm.data.sign.clip import SignClip
from jaxmm.data.sign.folder import write_sign_folder
from jaxmm.data.sign.layout import HOLISTIC
from jaxmm.data.sign.sources import SignFolder
from jaxmm.data.sign.statistics import Statistics
from jaxmm.data.sign_text import SignText
from jaxmm.errors import ConfigError, DataError
from jaxmm.generators.lengths import LengthBins
from jaxmm.generators.sign import Generated, SignGenerator
from jaxmm.horizon import Horizon
from jaxmm.objectives.adversarial import hinge_critic, hinge_generator
from jaxmm.objectives.sign import SignObjective
from jaxmm.signs.files import write_trajectory
from jaxmm.signs.generation import SignMaker
from jaxmm.tasks.sign_losses import generator_loss

LEFT_HAND = HOLISTIC.part_features("left_hand")
STATISTICS = Statistics(
    mean=np.linspace(-1, 1, HOLISTIC.dim).astype(np.float32), std=np.linspace(0.5, 2, HOLISTIC.dim).astype(np.float32)
)


def make_clip(place, num_frames=5, **texts):
    frames = np.random.default_rng(place).normal(size=(num_frames, HOLISTIC.dim)).astype(np.float32)
    usual = {"gloss": f"SIGN{place}", "sentence": f"This is {place}.", "tags": {"split": "train"}}
    return SignClip(**{"key": f"clip_{place}", "frames": frames, "fps": 25.0, **usual, **texts})


@pytest.fixture
def folder(cache, tmp_path):
    """Four clips in the layout of the seed; for the last of them nobody wrote a gloss."""
    del cache
    clips = [make_clip(place, 3 + place) for place in range(4)]
    write_sign_folder([*clips[:3], dataclasses.replace(clips[3], gloss=None)], tmp_path / "signs")
    table = tmp_path / "signs" / "metadata.csv"
    lines = table.read_text().splitlines()
    assert ",," in lines[4]
    table.write_text("\n".join([*lines[:4], lines[4].replace(",,", ",NaN,", 1)]) + "\n")
    STATISTICS.write(tmp_path / "signs" / "statistics.npz")
    return SignText(source=SignFolder(), root=str(tmp_path / "signs"), max_frames=8, batch_size=2, num_threads=1)


@pytest.fixture(scope="module")
def batch(sign_data):
    return jax.tree.map(jnp.asarray, sign_data.sample_batch())


@pytest.fixture(scope="module")
def task(sign_task):
    """One with every loss, and a critic that reads the text too."""
    generator = sign_task.generator.clone(num_landmarks=len(HOLISTIC.landmarks))
    return dataclasses.replace(sign_task, generator=generator, critic=sign_task.critic.clone(conditional=True))


@pytest.fixture(scope="module")
def state(task, batch):
    return jax.jit(task.init, static_argnums=2)(jax.random.key(0), batch, Horizon(epochs=2, steps_per_epoch=3))


@pytest.fixture(scope="module")
def step(task):
    return jax.jit(task.train_step)


def losses_of(made, batch, **settings):
    """The generator's losses of frames, with nothing said of their lengths."""
    objective = SignObjective(**settings)
    weights = objective.weights(jnp.int32(0), steps_per_epoch=1)
    made = Generated(
        frames=made, length_logits=jnp.zeros((len(made), 96)), detected_logits=jnp.zeros((*made.shape[:2], 0))
    )
    return generator_loss(made, batch, objective=objective, weights=weights, lengths=LengthBins(), score=None)[1]


def stacked(*clips, max_frames=8):
    return jax.tree.map(jnp.asarray, SignText(max_frames=max_frames).stack(clips, STATISTICS, num_rows=len(clips)))


def test_d1_each_frame_starts_from_style_time_and_text_together():
    generator = SignGenerator.seed_compatible()
    text, noise = jnp.zeros((1, 2, 256)), generator.draw_noise(jax.random.key(0), batch=1)
    masks = jnp.ones((1, 2), bool), jnp.ones((1, 128), bool)
    params = jax.eval_shape(generator.init, jax.random.key(1), text, *masks, noise, jnp.zeros(1, jnp.int32))["params"]
    assert params["inputs"]["kernel"].shape == (3 * 256, 256)
    assert sum(leaf.size for leaf in jax.tree.leaves(params)) == 3_635_068


def test_d2_every_bin_is_the_nearest_to_its_own_length():
    bins, every = LengthBins(), jnp.arange(96)
    assert bins.count == 96
    np.testing.assert_array_equal(bins.nearest(bins.frames(every)), every)
    np.testing.assert_array_equal(bins.frames(every), range(10, 201, 2))
    # The loss asks for the bin of a length, and not for the bin of that number.
    batch = stacked(np.ones((60, HOLISTIC.dim), np.float32), max_frames=64)
    made = Generated(batch["frames"], 100 * jax.nn.one_hot(jnp.array([25]), 96), jnp.zeros((1, 64, 0)))
    objective = SignObjective()
    weights = objective.weights(jnp.int32(0), steps_per_epoch=1)
    _, terms = generator_loss(made, batch, objective=objective, weights=weights, lengths=bins, score=None)
    assert float(terms["length"]) == pytest.approx(0, abs=1e-6)


def test_d3_the_length_head_is_trained_and_chooses_no_length_beyond_the_longest_clip(task, state, step, batch):
    head = step(state, batch)[0].params["generator"]["length"]
    moved = jax.tree.map(lambda new, old: float(jnp.abs(new - old).max()), head, state.params["generator"]["length"])
    assert min(jax.tree.leaves(moved)) > 1e-6
    bins = LengthBins()
    logits = jnp.arange(96.0)[None] * jnp.ones((2, 1))
    assert bins.frames(bins.reachable(logits, max_frames=128).argmax(axis=-1)).tolist() == [128, 128]
    assert np.isfinite(bins.reachable(logits, max_frames=200)).all()
    # Also where sampling asks it: a head that likes 20 frames best, of 16 that there can be, gets what it likes next.
    ema = jax.tree.map(jnp.asarray, state.collections["ema"])
    ema["generator"]["length"]["out"]["bias"] = jnp.zeros(17).at[20 - 4].set(1e3).at[7 - 4].set(9e2)
    noise = task.generator.draw_noise(jax.random.key(0), batch=len(batch["signer"]))
    asked = {**batch, "noise": noise, "length": jnp.zeros_like(batch["signer"])}
    made = jax.jit(task.generate)(state.params, {"ema": ema}, asked)
    assert set(made["frame_mask"].sum(axis=1).tolist()) == {7}


def test_d4_padding_changes_no_loss_of_either_player(state, step, batch):
    assert not batch["frame_mask"].all() and not batch["token_mask"].all()
    unseen = batch["landmark_mask"].at[:, :, HOLISTIC.part_landmarks("left_hand")].set(False)
    clean = {**batch, "landmark_mask": unseen}
    frames = batch["frames"] + 9.0 * ~batch["frame_mask"][..., None]
    spoilt = {
        **clean,
        "frames": frames.at[..., LEFT_HAND].set(7.0),
        "token_ids": jnp.where(batch["token_mask"], batch["token_ids"], 5),
    }
    found = step(state, spoilt)[1]
    for name, value in step(state, clean)[1].items():
        assert float(found[name]) == pytest.approx(float(value), rel=1e-5, abs=1e-6), name


def test_d5_padding_is_zero_after_normalisation_and_no_difference_crosses_it():
    clip = np.cumsum(np.ones((5, HOLISTIC.dim), np.float32), axis=0)
    batch, alone = stacked(clip), stacked(clip, max_frames=5)
    assert np.abs(STATISTICS.normalise(np.full(HOLISTIC.dim, 1e-9, np.float32))).max() > 0.1  # zeros would not be zero
    assert not batch["frames"][0, 5:].any() and batch["frames"][0, :5].any(axis=1).all()
    np.testing.assert_allclose(batch["frames"][0, :5], STATISTICS.normalise(clip), atol=1e-6)
    made = batch["frames"] + 0.1 * jnp.arange(8.0)[None, :, None]
    found, wanted = losses_of(made, batch), losses_of(made[:, :5], alone)
    for name in ("position", "velocity", "acceleration"):
        assert float(found[name]) == pytest.approx(float(wanted[name]), rel=1e-5, abs=1e-9), name


def test_d6_critic_and_generator_want_different_things_by_two_functions():
    real, made = jnp.array([0.5, 2.0]), jnp.array([-0.5, 3.0])
    np.testing.assert_allclose(hinge_critic(real, made), [1.0, 4.0])
    np.testing.assert_allclose(hinge_generator(made), [0.5, -3.0])
    assert (jax.grad(lambda made: hinge_critic(real, made).sum())(made) > 0).all()
    assert (jax.grad(lambda made: hinge_generator(made).sum())(made) < 0).all()


def test_d7_a_rigid_body_that_moves_keeps_its_bones_in_original_units():
    turns = np.linspace(0, 2, 8)
    turn = np.stack([np.stack([np.cos(turns), -np.sin(turns)]), np.stack([np.sin(turns), np.cos(turns)])])
    body = np.random.default_rng(0).normal(size=(len(HOLISTIC.landmarks), 3))
    positions = np.concatenate([np.einsum("ijt,lj->tli", turn, body[:, :2]), np.tile(body[:, 2:], (8, 1, 1))], axis=-1)
    positions = positions + turns[:, None, None]
    clip = np.ones((8, HOLISTIC.dim), np.float32)
    clip[:, HOLISTIC.position_features] = positions
    batch = stacked(clip)
    assert float(losses_of(batch["frames"], batch)["geometry"]) < 1e-8
    assert float(losses_of(batch["frames"], batch, bone_variance="bones")["geometry"]) > 0.01  # as the seed has it
    grown = positions * np.linspace(1, 2, 8)[:, None, None]
    clip[:, HOLISTIC.position_features[:33]] = grown[:, :33]
    made = stacked(clip)["frames"]
    assert float(losses_of(made, batch)["geometry"]) > 0.01
    # Bones are named: those of a hand, which did not grow, score zero.
    finger = (("left_hand/WRIST", "left_hand/THUMB_CMC"),)
    assert float(losses_of(made, batch, bones=finger)["geometry"]) < 1e-8


def test_d8_the_text_projection_is_trained_and_is_in_the_state(state, step, batch):
    before = state.params["text"]["projection"]["kernel"]
    assert before.shape == (8, 8)
    after, _ = step(state, batch)
    assert np.abs(after.params["text"]["projection"]["kernel"] - before).max() > 1e-6
    assert np.abs(after.collections["ema"]["text"]["projection"]["kernel"] - before).max() > 0


def test_d9_frames_know_of_each_other_by_default_and_share_one_noise():
    assert SignGenerator().draw_noise(jax.random.key(0), batch=2).shape == (2, 1, 64)
    assert SignGenerator.seed_compatible().draw_noise(jax.random.key(0), batch=2).shape == (2, 128, 64)
    small = {"hidden_dim": 8, "num_layers": 1, "num_heads": 2, "noise_dim": 4, "max_frames": 6}
    seed = SignGenerator.seed_compatible().clone(**small)
    inputs = jnp.ones((1, 2, 8)), jnp.ones((1, 2), bool), jnp.ones((1, 6), bool)
    for generator, alone in ((SignGenerator(noise="frame", **small), False), (seed, True)):
        noise, signer = generator.draw_noise(jax.random.key(0), batch=1), jnp.zeros(1, jnp.int32)
        made, variables = generator.init_with_output(jax.random.key(1), *inputs, noise, signer)
        other = generator.apply(variables, *inputs, noise.at[0, 3].add(1.0), signer)
        moved = np.abs(other.frames - made.frames).max(axis=-1)[0]
        assert moved[3] > 1e-3
        assert (np.delete(moved, 3).max() < 1e-6) == alone


def test_d10_a_missing_gloss_is_missing_and_sampling_says_what_was_trained(
    folder, tmp_path, task, sign_settings, sign_data, state
):
    glosses = folder.open(tmp_path / "gloss")
    assert [clip.key for clip in glosses.clips("train")] == ["clip_0", "clip_1", "clip_2"]
    sentences = dataclasses.replace(folder, text="sentence").open(tmp_path / "sentence")
    assert [clip.gloss for clip in sentences.clips("train")] == ["SIGN0", "SIGN1", "SIGN2", None]
    assert not np.array_equal(glosses.sample_batch()["token_ids"], sentences.sample_batch()["token_ids"])
    for text in ("gloss", "sentence"):
        maker = SignMaker(task, dataclasses.replace(sign_settings, text=text), sign_data.assets)
        (clip,) = maker(state.params, state.collections, ["FRIEND SEE BOAT"])
        assert clip.text(text) == "FRIEND SEE BOAT"
        assert clip.text("sentence" if text == "gloss" else "gloss") is None


def test_d11_missing_statistics_are_an_error_unless_nothing_is_normalised(folder, tmp_path):
    (tmp_path / "signs" / "statistics.npz").unlink()
    with pytest.raises(DataError, match=r"statistics\.npz: no such file; .*; or set normalize to False"):
        folder.open(tmp_path / "assets")
    plain = dataclasses.replace(folder, normalize=False).open(tmp_path / "plain")
    np.testing.assert_allclose(plain.sample_batch()["frames"][0, :3], make_clip(0, 3).frames, atol=1e-5)


def test_d12_fewer_clips_than_a_batch_are_an_error_and_not_an_epoch_without_steps(folder, tmp_path):
    data = dataclasses.replace(folder, batch_size=4).open(tmp_path / "assets")
    message = r"data\.batch_size is 4, but the training split has 3 clips; set it to 3 or less"
    with pytest.raises(ConfigError, match=message):
        _ = data.steps_per_epoch
    with pytest.raises(ConfigError, match=message):
        data.train_batches(seed=0)


def test_d13_what_is_drawn_is_named_by_landmark_and_coordinate(tmp_path, monkeypatch):
    figure = pytest.importorskip("matplotlib.figure").Figure
    saved, clip = [], make_clip(0)
    monkeypatch.setattr(figure, "savefig", lambda drawn, path: saved.append(drawn))
    write_trajectory(tmp_path / "a.png", clip, ["right_hand/WRIST"])
    (axes,) = saved[0].axes
    assert axes.get_title() == "right_hand/WRIST"
    place = 33 * 4 + 21 * 3  # after the body with its visibilities and the left hand
    for line, coord, values in zip(axes.lines, "xyz", clip.frames[:, place : place + 3].T, strict=True):
        assert line.get_label() == coord
        np.testing.assert_array_equal(line.get_ydata(), values)
        assert HOLISTIC.feature("right_hand/WRIST", coord) == place + "xyz".index(coord)
    with pytest.raises(ConfigError, match="there is no landmark '195'; write part/landmark"):
        write_trajectory(tmp_path / "b.png", clip, [str(place)])
