"""What a state is scored by while it is trained."""

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Array, Float

from jaxmm.actions.answers import ActionAnswers
from jaxmm.data.action_videos import ActionVideosData
from jaxmm.data.dataset import Dataset
from jaxmm.data.motion_text import MotionTextData
from jaxmm.data.segmented import SegmentedData
from jaxmm.data.sign_text import SignTextData
from jaxmm.data.similar_videos import SimilarVideosData
from jaxmm.errors import ConfigError
from jaxmm.evaluate.classification import classification_scores
from jaxmm.evaluate.retrieval import evaluate_retrieval
from jaxmm.evaluate.signs import SignDistance, clip_errors, score_signs
from jaxmm.evaluate.verification import verification_scores
from jaxmm.experiment import Experiment
from jaxmm.frames.answers import FrameAnswers
from jaxmm.frames.evaluation import compare_answers, label_types
from jaxmm.motions.embeddings import Embedder
from jaxmm.objectives.reduce import weighted_mean
from jaxmm.rows import embedder
from jaxmm.signs.codes import SignCoder
from jaxmm.signs.generation import SignMaker
from jaxmm.similarity.answers import SimilarityAnswers
from jaxmm.state import TrainState
from jaxmm.tasks.abilities import Aligns, AnswersFrames, Classifies, Compares, Embeds, Encodes, Generates
from jaxmm.tasks.base import Task
from jaxmm.train.loop import Loop
from jaxmm.train.step import compile_eval, place_whole
from jaxmm.train.stopping import Better
from jaxmm.typing import Batch, Collections, Params

_PAIR_SCORES = ("roc_auc", "average_precision", "eer", "best_f1", "f1")
_MOST_SIGNED = 64  # clips of a validation split that are generated and compared

Score = Callable[[TrainState], Mapping[str, float]]
"""Takes a state and returns its scores by name."""


def validation(experiment: Experiment, data: Dataset[Any], mesh: Mesh) -> Score | None:
    """Returns what scores a state on the validation split, if there is one.

    Args:
        experiment: The experiment.
        data: Its data, opened.
        mesh: Devices.

    Raises:
        ConfigError: If the best checkpoint is to be found by a score that there is not.
    """
    loop = experiment.loop
    if not (loop.evaluate_every and data.has_split("val")):
        if loop.best_metric is not None:
            raise ConfigError(
                f"loop.best_metric is {loop.best_metric!r}, but the data have no val split; set it to None"
            )
        return None
    kinds = {
        Generates: _signing,
        Encodes: _reconstruction,
        AnswersFrames: _frames,
        Classifies: _actions,
        Compares: _similarity,
        Embeds: _retrieval,
    }
    of_kind = next((score for kind, score in kinds.items() if isinstance(experiment.task, kind)), _losses)
    return of_kind(experiment, data, mesh)


def _losses(experiment: Experiment, data: Dataset[Any], mesh: Mesh) -> Score:
    _check_best(experiment.loop, {"val/loss": "smaller"})
    mean_loss = _mean_loss(experiment.task, data, mesh)
    return lambda state: {"val/loss": mean_loss(state)}


def _retrieval(experiment: Experiment, data: Dataset[Any], mesh: Mesh) -> Score:
    pair = np.eye(2, dtype=np.float32)
    names = [f"val/{name}" for name in evaluate_retrieval(pair, pair, pair > 0)]
    _check_best(experiment.loop, {name: "smaller" if name.endswith("rank") else "larger" for name in names})
    motions = cast(MotionTextData, data)  # an embedder takes no other data
    embedder = Embedder(experiment.task, experiment.data, motions.tokenizer, mesh=mesh)

    def score(state: TrainState) -> Mapping[str, float]:
        gallery, motion, text = embedder.split(state.params, state.collections, motions, "val")
        return {f"val/{name}": value for name, value in evaluate_retrieval(motion, text, gallery.relevant).items()}

    return score


def _check_best(loop: Loop, scores: Mapping[str, Better]) -> None:
    """Raises a ConfigError where the best checkpoint is asked for by no score, or by the worst one."""
    if loop.best_metric is None:
        return
    if loop.best_metric not in scores:
        raise ConfigError(f"loop.best_metric is {loop.best_metric!r}; choose among {', '.join(scores)}")
    better = scores[loop.best_metric]
    if loop.best_is != better:
        raise ConfigError(
            f"loop.best_metric is {loop.best_metric!r}, of which the {better} value is the better one; "
            f"set loop.best_is to {better!r}"
        )


def _signing(experiment: Experiment, data: Dataset[Any], mesh: Mesh) -> Score:
    _check_best(experiment.loop, {f"val/signing/{name}": "smaller" for name in ("ndtw_mje", "ape", "length_error")})
    signing = cast(SignTextData, data)  # the task takes no other data
    maker = SignMaker(experiment.task, signing.settings, signing.assets, mesh=mesh)
    real, distance = signing.clips("val")[:_MOST_SIGNED], SignDistance()
    texts = [str(clip.text(signing.settings.text)) for clip in real]
    signers = maker.signers_of(real)

    def score(state: TrainState) -> Mapping[str, float]:
        made = maker(state.params, state.collections, texts, signer=signers)
        errors = clip_errors([clip.frames for clip in made], [clip.frames for clip in real], distance)
        return {f"val/signing/{name}": value for name, value in score_signs(errors).items()}

    return score


def _reconstruction(experiment: Experiment, data: Dataset[Any], mesh: Mesh) -> Score:
    _check_best(experiment.loop, {"val/reconstruction/ape": "smaller"})
    signing = cast(SignTextData, data)  # the task takes no other data
    coder = SignCoder(experiment.task, signing.settings, signing.assets, mesh=mesh)
    real = [clip.frames for clip in signing.clips("val")[:_MOST_SIGNED]]

    def score(state: TrainState) -> Mapping[str, float]:
        made = coder.reconstruct(state.params, state.collections, real)
        return {"val/reconstruction/ape": float(clip_errors(made, real, SignDistance())["ape"].mean())}

    return score


def _frames(experiment: Experiment, data: Dataset[Any], mesh: Mesh) -> Score:
    task, segmented = experiment.task, cast(SegmentedData, data)  # the task takes no other data
    frames = FrameAnswers(task, segmented.settings, segmented.assets, mesh=mesh)
    videos, types = segmented.videos("val"), label_types(segmented)
    # Labels that are unseen in training choose no checkpoint either.
    counted = [segmented.named[video.labels] for video in videos]
    if not any(own.any() for own in counted):
        raise ConfigError("data.unseen_labels: all frames of the val split have such labels; leave one out")
    mean_loss = _mean_loss(task, segmented, mesh)

    def compared(answers: list[np.ndarray], embeddings: np.ndarray | None) -> Mapping[str, float]:
        own = [place for place, named in enumerate(counted) if named.any()]
        kept = [answers[place][counted[place]] for place in own]
        labels = [videos[place].labels[counted[place]] for place in own]
        scores = compare_answers(kept, labels, embeddings, types=types)
        return {f"val/{name}": value for name, value in scores.items()}

    def score(state: TrainState) -> Mapping[str, float]:
        answers = list(frames(state.params, state.collections, [video.features for video in videos]))
        embeddings = np.asarray(task.embeddings(state.collections)) if isinstance(task, Aligns) else None
        return {"val/loss": mean_loss(state), **compared(answers, embeddings)}

    perfect = np.eye(segmented.vocabulary.num_labels, dtype=np.float32)
    named = compared([perfect[video.labels] for video in videos], perfect if isinstance(task, Aligns) else None)
    smaller = ("loss", "std_cosine_similarity")
    _check_best(
        experiment.loop, {name: "smaller" if name.endswith(smaller) else "larger" for name in ("val/loss", *named)}
    )
    return score


def _actions(experiment: Experiment, data: Dataset[Any], mesh: Mesh) -> Score:
    task, videos = cast(Classifies, experiment.task), cast(ActionVideosData, data)  # the task takes no other data
    answers = ActionAnswers(task, videos.settings, videos.assets, mesh=mesh)
    labels = np.array([clip.label for clip in videos.clips("val")])
    ready = _seen_once(experiment.task, videos, mesh)

    def score(state: TrainState) -> Mapping[str, float]:
        logits = answers.split(state.params, state.collections, videos, "val", ready=ready(state))
        return {f"val/{name}": value for name, value in classification_scores(logits, labels).items()}

    perfect = np.eye(videos.vocabulary.num_labels, dtype=np.float32)[labels]
    _check_best(
        experiment.loop, dict.fromkeys((f"val/{name}" for name in classification_scores(perfect, labels)), "larger")
    )
    return score


def _similarity(experiment: Experiment, data: Dataset[Any], mesh: Mesh) -> Score:
    videos = cast(SimilarVideosData, data)  # the task takes no other data
    answers = SimilarityAnswers(experiment.task, videos.settings, mesh=mesh)
    places = {index: place for place, index in enumerate(videos.split("val"))}
    listed = videos.pairs("val")
    pairs = np.array([(places[pair.a], places[pair.b]) for pair in listed])
    same = np.array([pair.same for pair in listed])
    if same.all() or not same.any():
        raise ConfigError("all pairs of the val split are the same or all are different; hold out videos of both")
    ready = _seen_once(experiment.task, videos, mesh)

    def score(state: TrainState) -> Mapping[str, float]:
        embeddings = answers.split(state.params, state.collections, videos, "val", ready=ready(state))
        scores = verification_scores(answers.compare(state.params, embeddings, pairs), same)
        return {f"val/{name}": scores[name] for name in _PAIR_SCORES}

    _check_best(experiment.loop, {f"val/{name}": "smaller" if name == "eer" else "larger" for name in _PAIR_SCORES})
    return score


def _seen_once(task: Any, videos: ActionVideosData, mesh: Mesh) -> Callable[[TrainState], Callable[[Batch], Batch]]:
    """Returns what readies batches of the val split for a state: with features, where the backbone never changes."""
    seen: list[Callable[[Batch], Batch]] = []

    def ready(state: TrainState) -> Callable[[Batch], Batch]:
        if task.trains_backbone(state.params, dataclasses.replace(state.horizon, stage=None)):
            return lambda batch: batch
        if not seen:
            seen.append(task.features_of(videos, "val", embedder(task, state, mesh)) or (lambda batch: batch))
        return seen[0]

    return ready


def _mean_loss(task: Task, data: Dataset[Any], mesh: Mesh) -> Callable[[TrainState], float]:
    """Returns what tells the mean loss of a state over what counts in the val split."""
    sum_losses = compile_eval(functools.partial(_sum_losses, task), mesh, precision=task.numerics.matmul_precision)

    def mean(state: TrainState) -> float:
        sums = [
            np.asarray(sum_losses(state.params, state.collections, place_whole(batch, mesh)))
            for batch in data.batches("val")
        ]
        loss, count = np.sum(sums, axis=0)
        return float(loss / max(count, 1))

    return mean


def _sum_losses(task: Task, params: Params, collections: Collections, batch: Batch) -> Float[Array, "two"]:
    """Returns the sum of the losses of what counts in a batch, and how much does."""
    losses, _ = task.loss(params, collections, batch, jax.random.key(0), train=False)
    counts = task.counts(batch)
    return jnp.stack([weighted_mean(losses, counts) * counts.sum(), counts.sum().astype(jnp.float32)])
