"""What a state is scored by while it is trained."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxmm import (
    ClipVision,
    EmbeddingTrunk,
    Experiment,
    FrameEncoder,
    HashSplit,
    LabelPairs,
    Loop,
    MultiStageTcn,
    PooledTrunk,
    ProceduralSegments,
    ProceduralVideos,
    SegmentationTask,
    SegmentedVideos,
    SignAutoencoder,
    SignAutoencoderTask,
    SimilarVideos,
    VideoSimilarityTask,
)
from jaxmm.errors import ConfigError
from jaxmm.evaluate.signs import SignDistance, clip_errors, score_signs
from jaxmm.frames.answers import FrameAnswers
from jaxmm.horizon import Horizon
from jaxmm.signs.codes import SignCoder
from jaxmm.signs.generation import SignMaker
from jaxmm.tasks import frame_features
from jaxmm.tasks.base import Task
from jaxmm.train.step import make_mesh
from jaxmm.validation import validation

ONLY_TRAIN = HashSplit(num_buckets=2, test=(), val=())


def initial(task, data):
    """The state before the first step."""
    batch = jax.tree.map(jnp.asarray, data.sample_batch())
    return jax.jit(task.init, static_argnums=2)(jax.random.key(0), batch, Horizon(epochs=1, steps_per_epoch=1))


def validated(task, data, **loop):
    settings = Loop(**{"evaluate_every": 1, **loop})
    return validation(Experiment(task=task, data=data.settings, loop=settings), data, make_mesh())


@pytest.fixture(scope="module")
def sign_state(sign_task, sign_data):
    return initial(sign_task, sign_data)


def test_retrieval_is_scored_in_both_directions(task, data):
    scores = validated(task, data)(initial(task, data))
    assert {name.rpartition("/")[0] for name in scores} == {"val/text_to_motion", "val/motion_to_text"}
    assert scores["val/text_to_motion/gallery"] == 3
    assert all(np.isfinite(list(scores.values())))


def test_every_score_of_retrieval_can_choose_the_best_and_no_other_name(task, data):
    score = validated(task, data, best_metric="val/text_to_motion/recall@1")
    for name in score(initial(task, data)):
        better, worse = ("smaller", "larger") if name.endswith("rank") else ("larger", "smaller")
        assert validated(task, data, best_metric=name, best_is=better) is not None
        with pytest.raises(ConfigError, match=f"of which the {better} value is the better one; set loop.best_is to"):
            validated(task, data, best_metric=name, best_is=worse)
    with pytest.raises(ConfigError, match="'val/recal'; choose among val/text_to_motion/"):
        validated(task, data, best_metric="val/recal")


def test_signing_is_scored_by_its_errors_against_the_real_clips(sign_task, sign_data, sign_state):
    scores = validated(sign_task, sign_data)(sign_state)
    real = sign_data.clips("val")
    made = SignMaker(sign_task, sign_data.settings, sign_data.assets)(
        sign_state.params,
        sign_state.collections,
        [clip.gloss for clip in real],
        signer=[clip.signer for clip in real],
    )
    errors = clip_errors([clip.frames for clip in made], [clip.frames for clip in real], SignDistance())
    expected = score_signs(errors)
    assert scores == {f"val/signing/{name}": pytest.approx(value, rel=1e-5) for name, value in expected.items()}
    assert set(expected) == {"ndtw_mje", "ape", "length_error"}


def test_every_error_of_signing_can_choose_the_best_if_the_smaller_is_better(sign_task, sign_data, sign_state):
    for name in validated(sign_task, sign_data)(sign_state):
        assert validated(sign_task, sign_data, best_metric=name, best_is="smaller") is not None
        with pytest.raises(ConfigError, match=r"set loop\.best_is to 'smaller'"):
            validated(sign_task, sign_data, best_metric=name)
    with pytest.raises(ConfigError, match="'val/x'; choose among val/signing/"):
        validated(sign_task, sign_data, best_metric="val/x")


def test_a_signer_who_is_only_in_the_val_split_is_told_before_training(sign_task, sign_data, monkeypatch):
    clips = [dataclasses.replace(clip, signer="eva") for clip in sign_data.clips("val")]
    monkeypatch.setattr(type(sign_data), "clips", lambda self, split: clips)
    with pytest.raises(ConfigError, match="'eva' was not seen in training"):
        validated(sign_task, sign_data)


def test_at_most_64_clips_are_signed_at_a_validation(sign_task, sign_data, sign_state, monkeypatch):
    clip, calls = sign_data.clips("val")[0], []
    monkeypatch.setattr(type(sign_data), "clips", lambda self, split: [clip] * 100)
    monkeypatch.setattr(SignMaker, "__call__", lambda self, *given, **_: calls.append(given[2]) or [clip] * 64)
    scores = validated(sign_task, sign_data)(sign_state)
    assert len(calls[0]) == 64
    assert set(scores.values()) == {0.0}


@pytest.mark.parametrize("names", [("task", "data"), ("sign_task", "sign_data")])
def test_without_a_val_split_or_evaluations_there_is_no_score(names, request, tmp_path):
    task, data = map(request.getfixturevalue, names)
    assert validated(task, data, evaluate_every=0) is None
    only_train = dataclasses.replace(data.settings, split=ONLY_TRAIN).open(tmp_path / "assets")
    assert validated(task, only_train) is None
    with pytest.raises(ConfigError, match="the data have no val split; set it to None"):
        validated(task, only_train, best_metric="val/text_to_motion/recall@1")


def test_an_autoencoder_is_scored_by_what_it_tells_again(sign_data):
    task = SignAutoencoderTask(autoencoder=SignAutoencoder(hidden_dim=8, code_dim=4))
    state = initial(task, sign_data)
    scores = validated(task, sign_data)(state)
    real = [clip.frames for clip in sign_data.clips("val")]
    made = SignCoder(task, sign_data.settings, sign_data.assets).reconstruct(state.params, {}, real)
    assert scores == {"val/reconstruction/ape": pytest.approx(clip_errors(made, real, SignDistance())["ape"].mean())}
    with pytest.raises(ConfigError, match=r"set loop\.best_is to 'smaller'"):
        validated(task, sign_data, best_metric="val/reconstruction/ape")
    assert validated(task, sign_data, best_metric="val/reconstruction/ape", best_is="smaller") is not None


def test_answers_to_frames_are_scored_by_the_mean_loss_over_frames_and_by_segments(tmp_path):
    source = ProceduralSegments(num_train=3, num_val=3, num_test=1, dim=8)
    opened = SegmentedVideos(source=source, batch_size=2).open(tmp_path)
    task = SegmentationTask(head=MultiStageTcn(num_labels=27, num_stages=1, num_layers=2, dim=4))
    state = initial(task, opened)
    scores = validated(task, opened)(state)
    sums = np.zeros(2)
    for video in opened.videos("val"):  # one by one, where validation takes two at once
        batch = opened.settings.stack([opened.scale(video.features)], [video.labels], num_rows=1)
        losses, _ = task.loss(state.params, {}, jax.tree.map(jnp.asarray, batch), jax.random.key(0), train=False)
        sums += np.array([float(losses[0]) * video.num_frames, video.num_frames])
    assert scores["val/loss"] == pytest.approx(sums[0] / sums[1], rel=1e-5)
    for name in scores:
        better = "smaller" if name.endswith("loss") else "larger"
        assert validated(task, opened, best_metric=name, best_is=better) is not None


def test_frames_of_unseen_labels_change_no_score(tmp_path, monkeypatch):
    settings = SegmentedVideos(source=ProceduralSegments(num_train=2, num_val=2, num_test=1, dim=8))
    named = settings.open(tmp_path / "named")
    labels = named.vocabulary.labels
    unseen = int(np.bincount(np.concatenate([video.labels for video in named.videos("val")])).argmax())
    opened = dataclasses.replace(settings, unseen_labels=(labels[unseen],)).open(tmp_path / "unseen")
    task = SegmentationTask(head=MultiStageTcn(num_labels=27, num_stages=1, num_layers=2, dim=4))
    state = initial(task, opened)
    scores = validated(task, opened)(state)
    assert scores != validated(task, named)(state)

    def right_where_unseen(self, params, collections, features):
        for video, answer in zip(opened.videos("val"), answered(self, params, collections, features), strict=True):
            yield np.where(video.labels[:, None] == unseen, np.eye(27)[unseen], answer)

    answered = FrameAnswers.__call__
    monkeypatch.setattr(FrameAnswers, "__call__", right_where_unseen)
    assert validated(task, opened)(state) == scores
    assert validated(task, named)(state)["val/segments/accuracy"] > scores["val/segments/accuracy"]
    with pytest.raises(ConfigError, match="all frames of the val split have such labels"):
        validated(task, dataclasses.replace(settings, unseen_labels=labels).open(tmp_path / "unseen"))


SIMILAR = SimilarVideos(
    source=ProceduralVideos(looks=("red_bar",), moves=("left", "right"), num_train=2, num_val=2, num_test=0),
    comparing=LabelPairs(classes_per_batch=2, clips_per_class=2),
    frame_size=8,
    frames_per_clip=2,
    batch_size=4,
)
VISION = ClipVision(
    dim=8, num_layers=1, num_heads=2, feedforward_dim=8, embedding_dim=6, image_size=8, patch_size=4, parent=None
)
COMPARING = VideoSimilarityTask(
    frames=FrameEncoder(backbone=VISION),
    encoder=PooledTrunk(trunk=EmbeddingTrunk(hidden_dims=(5,), embedding_dim=4, parent=None), parent=None),
)


@pytest.fixture(scope="module")
def similar_data(tmp_path_factory, cache):
    return SIMILAR.open(tmp_path_factory.mktemp("similar"))


def test_compared_videos_are_scored_by_their_pairs_and_seen_once(similar_data, monkeypatch):
    seen, see = [], frame_features._Seer.__call__
    monkeypatch.setattr(frame_features._Seer, "__call__", lambda self, frames: seen.append(1) or see(self, frames))
    score, state = validated(COMPARING, similar_data), initial(COMPARING, similar_data)
    scores = score(state)
    assert set(scores) == {f"val/{name}" for name in ("roc_auc", "average_precision", "eer", "best_f1", "f1")}
    times = len(seen)
    assert 1 < times <= 1 + len(list(similar_data.clips("val")))  # a picture of noise, and each video
    assert score(state) == scores
    assert len(seen) == times
    learning = dataclasses.replace(COMPARING, train_backbone=True)
    found = validated(learning, similar_data)(initial(learning, similar_data))
    assert found == {name: pytest.approx(value, abs=1e-5) for name, value in scores.items()}
    assert len(seen) == times


def test_every_score_of_pairs_can_choose_the_best_and_no_other_name(similar_data):
    for name in ("roc_auc", "average_precision", "eer", "best_f1", "f1"):
        better, worse = ("smaller", "larger") if name == "eer" else ("larger", "smaller")
        assert validated(COMPARING, similar_data, best_metric=f"val/{name}", best_is=better) is not None
        with pytest.raises(ConfigError, match=f"of which the {better} value is the better one; set loop.best_is to"):
            validated(COMPARING, similar_data, best_metric=f"val/{name}", best_is=worse)
    with pytest.raises(ConfigError, match="'val/auc'; choose among val/roc_auc, "):
        validated(COMPARING, similar_data, best_metric="val/auc")


@pytest.mark.parametrize("same", [True, False])
def test_a_val_split_whose_pairs_are_all_alike_is_told_before_training(same, similar_data, monkeypatch):
    pairs = [pair for pair in similar_data.pairs("val") if pair.same == same]
    monkeypatch.setattr(type(similar_data), "pairs", lambda self, split: pairs)
    with pytest.raises(ConfigError, match="all pairs of the val split are the same or all are different; hold out"):
        validated(COMPARING, similar_data)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Level(Task):
    """No more than a task must have: one number that is close to all values of a field."""

    field: str

    def init_variables(self, key, batch):
        return {"level": jnp.float32(0.5)}, {}

    def loss(self, params, collections, batch, key, *, train):
        values = batch[self.field]
        errors = jnp.square(values - params["level"]).reshape(len(values), -1).mean(axis=1)
        return errors, (collections, {})


@pytest.mark.parametrize(("name", "field"), [("data", "motion"), ("sign_data", "frames")])
def test_a_task_that_only_has_a_loss_is_scored_by_it(name, field, request):
    opened, task = request.getfixturevalue(name), Level(field=field)
    scores = validated(task, opened, best_metric="val/loss", best_is="smaller")(initial(task, opened))
    batches = list(opened.batches("val"))
    rows = np.concatenate([batch[field][batch["example_mask"]] for batch in batches])
    assert len(rows) == len(opened.split("val"))
    assert {len(batch[field]) for batch in batches} == {opened.settings.batch_size}
    assert scores == {"val/loss": pytest.approx(np.square(rows - 0.5).mean(), rel=1e-5)}
    with pytest.raises(ConfigError, match=r"'val/recall'; choose among val/loss"):
        validated(task, opened, best_metric="val/recall")
