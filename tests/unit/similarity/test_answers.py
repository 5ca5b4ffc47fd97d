"""What a run says of pairs of videos."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxmm import ActionVideos, ClassifierHead, ClipHarTask
from jaxmm.errors import ConfigError, DataError
from jaxmm.similarity import answers as module
from jaxmm.similarity.answers import SimilarityAnswers

from .conftest import DATA, TASK


def test_a_video_is_embedded_by_the_frames_that_stand_for_it(model, clips):
    found = list(model.similarity(model.params, model.collections, clips))
    for clip, own in zip(clips, found, strict=True):
        batch = DATA.stack([clip[DATA.sampling.pick(len(clip), 4)]], num_rows=1)
        expected = TASK.embed_video(*jax.tree.map(jnp.asarray, (model.params, model.collections, batch)))
        np.testing.assert_allclose(own, expected[0], atol=1e-5)
    assert np.ptp(found, axis=0).max() > 1e-3


def test_pairs_are_compared_by_the_head_however_many_there_are(model, monkeypatch):
    monkeypatch.setattr(module, "_AT_ONCE", 4)
    rng = np.random.default_rng(0)
    embeddings, others = (rng.normal(size=(count, 4)).astype(np.float32) for count in (3, 5))
    pairs = np.array([(a, b) for a in range(3) for b in range(3)])
    found = model.similarity.compare(model.params, embeddings, pairs)
    rows = (jnp.asarray(embeddings[pairs[:, side]]) for side in (0, 1))
    expected = jax.nn.sigmoid(TASK.compare_pairs(jax.tree.map(jnp.asarray, model.params), *rows))
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert np.ptp(found) > 1e-2
    np.testing.assert_array_equal(found.reshape(3, 3), found.reshape(3, 3).T)
    among = model.similarity.compare(model.params, embeddings, np.array([[2, 4]]), others=others)
    both = np.concatenate([embeddings, others])
    np.testing.assert_allclose(among, model.similarity.compare(model.params, both, np.array([[2, 7]])), atol=1e-6)


def test_two_videos_are_compared_as_arrays(model, clips):
    embeddings = np.stack(list(model.similarity(model.params, model.collections, clips)))
    expected = model.similarity.compare(model.params, embeddings, np.array([[0, 2]]))
    assert model.similar(clips[0], clips[2]) == pytest.approx(float(expected[0]), abs=1e-6)
    with pytest.raises(DataError, match=r"frames have shape \(8, 8, 3\); the run sees \(16, 16, 3\)"):
        model.similar(*(clip[:, :8, :8] for clip in clips[:2]))
    with pytest.raises(DataError, match="a video has no frame"):
        model.similar(clips[0], clips[1][:0])


def test_a_run_of_another_system_is_refused():
    classifier = ClipHarTask(frames=TASK.frames, head=ClassifierHead(num_classes=2))
    with pytest.raises(ConfigError, match="ClipHarTask compares no videos; choose a run on SimilarVideos"):
        SimilarityAnswers(classifier, ActionVideos(frame_size=16))
