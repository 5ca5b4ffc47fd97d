"""Who answers, for which classes, and how a stream is answered without seeing a frame twice."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxmm.actions.answers import ActionAnswers
from jaxmm.data.segmentation.vocabulary import Vocabulary
from jaxmm.errors import ConfigError, DataError


def answers_of(model, **how):
    return ActionAnswers(model.experiment.task, model.experiment.data, model.run / "assets", **how)


@pytest.mark.parametrize(("window", "every"), [(None, 1), (7, 1), (7, 3), (2, 2), (1, 1)])
def test_a_stream_is_answered_as_the_window_that_it_ends_with(model, frames, window, every):
    given, answers = (model.params, model.collections), model.actions
    streamed = list(answers.stream(*given, frames, window=window, every=every))
    ends = range(every, len(frames) + 1, every)
    whole = answers(*given, [frames[max(0, end - (window or 4)) : end] for end in ends])
    np.testing.assert_allclose(streamed, list(whole), atol=1e-5)
    assert np.ptp(streamed, axis=0).max() > 1e-3  # they are not all the same


@pytest.mark.parametrize(("window", "every", "seen"), [(4, 1, 11), (8, 1, 11), (8, 2, 7)])
def test_a_frame_of_a_stream_is_seen_once_and_only_when_it_is_picked(model, frames, window, every, seen, monkeypatch):
    answers, calls = answers_of(model), []
    see = answers._see
    monkeypatch.setattr(answers, "_see", lambda *given: calls.append(given[2]["frames"].shape) or see(*given))
    list(answers.stream(model.params, model.collections, frames, window=window, every=every))
    picked = set()
    for end in range(every, len(frames) + 1, every):
        start = max(0, end - window)
        picked |= {start + int(place) for place in model.experiment.data.sampling.pick(end - start, 4)}
    assert calls == [(1, 1, 16, 16, 3)] * (1 + len(picked))  # and before all of them one that is black
    assert len(picked) == seen


def test_everything_is_compiled_before_the_first_frame_is_asked_for(model, frames):
    answers = answers_of(model)

    def asked():
        assert answers._see._cache_size() == answers._answer._cache_size() == 1
        yield from frames

    list(answers.stream(model.params, model.collections, asked()))
    assert answers._see._cache_size() == answers._answer._cache_size() == 1


def test_other_classes_are_told_by_their_prompts(prompted, frames):
    answers = answers_of(prompted, by="prompts", classes=("jumping jack", "wave", "bow"))
    assert answers.vocabulary.labels == ("jumping_jack", "wave", "bow")
    (found,) = answers(prompted.params, prompted.collections, [frames])
    task, data = prompted.experiment.task, prompted.experiment.data
    embeddings = task.class_embeddings(Vocabulary.of(["jumping_jack", "wave", "bow"]))
    batch = data.stack([frames[data.sampling.pick(11, 4)]], num_rows=1)
    collections = {**prompted.collections, "classes": {"embeddings": embeddings}}
    expected = task.compare(*jax.tree.map(jnp.asarray, (prompted.params, collections, batch)))
    np.testing.assert_allclose(found, expected[0], rtol=1e-4)
    streamed = list(answers.stream(prompted.params, prompted.collections, frames, window=11, every=11))
    np.testing.assert_allclose(streamed[0], found, rtol=1e-4)


def test_classes_of_training_given_in_words_are_told_as_they_are_by_name(prompted, frames):
    given = prompted.params, prompted.collections
    known = answers_of(prompted, by="prompts")
    again = answers_of(prompted, by="prompts", classes=known.vocabulary.descriptions)
    np.testing.assert_allclose(list(again(*given, [frames])), list(known(*given, [frames])), rtol=1e-5)


def test_what_cannot_be_answered_is_refused(model, prompted, frames):
    with pytest.raises(ConfigError, match=r"the run has no prompts; train one with task.semantics"):
        answers_of(model, by="prompts", classes=("wave",))
    with pytest.raises(ConfigError, match="the head tells the classes of training alone"):
        answers_of(prompted, classes=("wave",))
    with pytest.raises(DataError, match="repeats; keep one"):
        answers_of(prompted, by="prompts", classes=("wave", "wave"))
    given = model.params, model.collections
    for numbers in ({"window": 0}, {"window": -1}, {"every": 0}):
        with pytest.raises(ConfigError, match="give 1 or more"):
            next(model.actions.stream(*given, frames, **numbers))
    with pytest.raises(DataError, match=r"frames have shape \(8, 8, 3\); the run sees \(16, 16, 3\)"):
        next(model.actions.stream(*given, frames[:, :8, :8]))
