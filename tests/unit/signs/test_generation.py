"""Signing texts with a generator that has learnt nothing."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxmm.data.sign.layout import HOLISTIC
from jaxmm.errors import ConfigError, DataError
from jaxmm.signs.generation import SignMaker

TEXTS = ["HOUSE BUILD", "TOMORROW FRIEND HOUSE SEE", "SEE", "BOAT", "FRIEND BOAT SEE", "HOUSE"]


@pytest.fixture(scope="module")
def maker(sign_task, sign_settings, sign_data):
    return SignMaker(sign_task, sign_settings, sign_data.assets)


@pytest.fixture(scope="module")
def sign(maker, variables):
    """Signs texts with the tiny generator."""
    return lambda texts, **options: maker(*variables, texts, **options)


def assert_same(clips, others, *, atol=0.0):
    for one, other in zip(clips, others, strict=True):
        assert one.num_frames == other.num_frames
        np.testing.assert_allclose(one.frames, other.frames, rtol=0, atol=atol)


# Clips


def test_there_is_a_clip_for_each_text_in_original_units(sign, sign_data):
    clips = sign(TEXTS)
    assert [clip.gloss for clip in clips] == TEXTS
    assert [clip.key for clip in clips] == [f"generated_{place:04d}" for place in range(6)]
    assert {(clip.fps, clip.signer, clip.sentence) for clip in clips} == {(5.0, "signer0", None)}
    normal = sign_data.statistics.normalise(np.concatenate([clip.frames for clip in clips]))
    assert np.abs(normal).max() < 20  # as an untrained generator makes them: about 1 in units of deviations


def test_a_clip_depends_on_its_place_and_on_no_other_text_of_the_call(sign):
    together = sign(TEXTS)
    assert_same(sign(TEXTS[:1]), together[:1], atol=1e-6)
    assert_same(sign(TEXTS[:5]), together[:5], atol=1e-6)
    others = ["TOMORROW FRIEND HOUSE SEE " * 3] * 5  # longer texts, so that there are more tokens
    assert_same(sign([*others, TEXTS[5]])[5:], together[5:], atol=1e-6)
    first, again = sign(TEXTS[:1] * 2)
    assert np.abs(first.frames - again.frames).max() > 1e-3


@pytest.mark.parametrize("batch_size", [1, 3, 8])
def test_a_clip_does_not_depend_on_the_batch_size(batch_size, sign, sign_task, sign_settings, sign_data, variables):
    resized = SignMaker(sign_task, dataclasses.replace(sign_settings, batch_size=batch_size), sign_data.assets)
    assert_same(resized(*variables, TEXTS, seed=3), sign(TEXTS, seed=3), atol=1e-6)


def test_the_same_seed_signs_alike_and_another_otherwise(sign):
    first = sign(TEXTS, seed=1)
    assert_same(sign(TEXTS, seed=1), first)
    for one, other in zip(first, sign(TEXTS, seed=2), strict=True):
        assert one.num_frames == other.num_frames  # the length is the text's
        assert np.abs(one.frames - other.frames).max() > 1e-3


def test_another_text_or_signer_signs_otherwise(sign):
    (first,), (text,), (signer,) = (
        sign(TEXTS[:1], num_frames=5),
        sign(TEXTS[1:2], num_frames=5),
        sign(TEXTS[:1], num_frames=5, signer="signer1"),
    )
    assert signer.signer == "signer1"
    assert np.abs(first.frames - text.frames).max() > 1e-3
    assert np.abs(first.frames - signer.frames).max() > 1e-3


def test_parameters_may_lie_on_the_host_or_on_devices(maker, sign, variables):
    assert_same(maker(*jax.device_get(variables), TEXTS), sign(TEXTS))


def test_a_run_of_sentences_says_the_text_as_a_sentence(sign_task, sign_settings, sign_data, variables):
    maker = SignMaker(sign_task, dataclasses.replace(sign_settings, text="sentence"), sign_data.assets)
    (clip,) = maker(*variables, ["A friend sees a boat."])
    assert (clip.gloss, clip.sentence) == (None, "A friend sees a boat.")


def test_a_landmark_that_is_out_of_sight_is_undetected(sign_task, sign_settings, sign_data, untrained):
    task = dataclasses.replace(sign_task, generator=sign_task.generator.clone(num_landmarks=len(HOLISTIC.landmarks)))
    maker = SignMaker(task, sign_settings, sign_data.assets)
    params, collections = untrained(task, sign_data)
    told = jnp.where(jnp.arange(len(HOLISTIC.landmarks)) % 3 == 0, 1.0, -1.0)
    for parameters in (params["generator"], collections["ema"]["generator"]):
        parameters["detected"]["bias"] = 1e3 * told
    (clip,) = maker(params, collections, TEXTS[:1])
    seen = HOLISTIC.detected(clip.frames)
    np.testing.assert_array_equal(seen, np.broadcast_to(told > 0, seen.shape))


def test_restoring_inverts_normalising(sign_data):
    for clip in sign_data.clips("train"):
        normal = sign_data.statistics.normalise(clip.frames)
        restored = sign_data.statistics.restore(normal, HOLISTIC.detected(clip.frames))
        np.testing.assert_allclose(restored, clip.frames, rtol=0, atol=1e-5)


# Lengths


def test_given_lengths_trim_clips(sign):
    assert [clip.num_frames for clip in sign(TEXTS, num_frames=7)] == [7] * 6
    lengths = [1, 16, 2, 3, 5, 8]
    clips = sign(TEXTS, num_frames=lengths)
    assert [clip.num_frames for clip in clips] == lengths
    assert all(np.abs(clip.frames).max() > 0 for clip in clips)


@pytest.mark.parametrize(("favourite", "length"), [(0, 4), (5, 9), (12, 16), (16, 16)])
def test_predicted_lengths_trim_clips_and_are_never_beyond_the_longest(favourite, length, maker, variables):
    params, collections = jax.tree.map(jnp.asarray, variables)  # new dictionaries
    for own in (params["generator"], collections["ema"]["generator"]):
        head = own["length"]["out"]
        # A preference that falls with the distance from the favourite, whatever the text.
        own["length"] = {
            **own["length"],
            "out": {
                "kernel": jnp.zeros_like(head["kernel"]),
                "bias": -jnp.abs(jnp.arange(17.0) - favourite),
            },
        }
    assert [clip.num_frames for clip in maker(params, collections, TEXTS[:2])] == [length] * 2


# Mistakes


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_frames": 0}, "num_frames is 0; give 1 to 16"),
        ({"num_frames": -3}, "num_frames is -3"),
        ({"num_frames": 17}, "num_frames is 17; give 1 to 16"),
        ({"num_frames": [4] * 5 + [17]}, "give 1 to 16"),
        ({"num_frames": [4, 4]}, "num_frames has 2 values for 6 texts"),
        ({"num_frames": []}, "num_frames has 0 values for 6 texts"),
        ({"signer": "eva"}, "signer 'eva' was not seen in training; choose among signer0, signer1"),
        ({"signer": ""}, "signer '' was not seen"),
        ({"signer": ["signer0"]}, "signer has 1 values for 6 texts"),
        ({"seed": -1}, "seed is -1; give a number from 0"),
        ({"seed": 2**32}, "seed is 4294967296"),
    ],
)
def test_numbers_and_names_out_of_range_are_refused(options, message, sign):
    with pytest.raises(ConfigError, match=message):
        sign(TEXTS, **options)


def test_a_signer_is_refused_where_the_run_knows_none(sign_task, sign_settings, sign_data):
    task = dataclasses.replace(sign_task, generator=sign_task.generator.clone(num_signers=0))
    maker = SignMaker(task, sign_settings, sign_data.assets)
    assert maker.signers_of(sign_data.clips("val")) is None
    with pytest.raises(ConfigError, match="num_signers is 0"):
        maker({}, {}, TEXTS, signer="signer0")


def test_signers_of_clips_that_training_has_not_seen_are_refused(maker, sign_data):
    clips = sign_data.clips("val")
    assert maker.signers_of(clips) == [clip.signer for clip in clips]
    with pytest.raises(ConfigError, match="'eva' was not seen"):
        maker.signers_of([dataclasses.replace(clips[0], signer="eva")])


@pytest.mark.parametrize("texts", [[], [""], ["SEE", " \n"]])
def test_no_text_is_refused(texts, sign):
    with pytest.raises(DataError, match="none of them empty"):
        sign(texts)


def test_a_single_string_is_no_list_of_texts(sign):
    with pytest.raises(DataError, match="takes a list"):
        sign("SEE")


def test_a_text_that_is_not_unicode_is_refused(sign):
    with pytest.raises(DataError, match="not valid Unicode"):
        sign(["SEE \udcff"])


def test_a_system_that_does_not_sign_is_refused(task, settings, tmp_path):
    with pytest.raises(ConfigError, match="DanceTextTask generates no signing; choose a run of a text-to-sign system"):
        SignMaker(task, settings, tmp_path)


# A run in use


def test_a_model_generates_what_the_maker_makes(model, sign):
    options = {"seed": 4, "num_frames": 6, "signer": "signer1"}
    assert_same(model.generate(TEXTS, **options), sign(TEXTS, **options))


@pytest.mark.parametrize("ask", ["embed_text", "skeleton", "open_data", "index"])
def test_a_signing_run_refuses_what_retrieval_runs_do(ask, model):
    with pytest.raises(ConfigError, match="Text2SignTask embeds no motion and text; choose a run of a retrieval"):
        model.embed_text(["SEE"]) if ask == "embed_text" else getattr(model, ask)()
