"""What a state is scored by while it is trained."""

from collections.abc import Callable, Mapping
from typing import Any, cast

import numpy as np
from jax.sharding import Mesh

from jaxmm.data.captioned import CaptionedData
from jaxmm.data.motion_text import MotionTextData
from jaxmm.data.sign_text import SignTextData
from jaxmm.embedder import Embedder
from jaxmm.errors import ConfigError
from jaxmm.evaluate.retrieval import evaluate_retrieval
from jaxmm.evaluate.signs import SignDistance, clip_errors, score_signs
from jaxmm.experiment import Experiment
from jaxmm.sign_codes import SignCoder
from jaxmm.signing import SignMaker
from jaxmm.state import TrainState
from jaxmm.tasks.base import Encodes, Generates

_MOST_SIGNED = 64  # clips of a validation split that are generated and compared

Score = Callable[[TrainState], Mapping[str, float]]
"""Takes a state and returns its scores by name."""


def validation(experiment: Experiment, data: CaptionedData[Any], mesh: Mesh) -> Score | None:
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
    kinds = {Generates: _signing, Encodes: _reconstruction}
    of_kind = next((score for kind, score in kinds.items() if isinstance(experiment.task, kind)), _retrieval)
    return of_kind(experiment, data, mesh)


def _retrieval(experiment: Experiment, data: CaptionedData[Any], mesh: Mesh) -> Score:
    pair = np.eye(2, dtype=np.float32)
    names = [f"val/{name}" for name in evaluate_retrieval(pair, pair, pair > 0)]
    best_metric = experiment.loop.best_metric
    if best_metric is not None and best_metric not in names:
        raise ConfigError(f"loop.best_metric is {best_metric!r}; choose among {', '.join(names)}")
    embedder = Embedder(experiment.task, experiment.data, data.tokenizer, mesh=mesh)
    motions = cast(MotionTextData, data)  # an embedder takes no other data

    def score(state: TrainState) -> Mapping[str, float]:
        gallery, motion, text = embedder.split(state.params, state.collections, motions, "val")
        return {f"val/{name}": value for name, value in evaluate_retrieval(motion, text, gallery.relevant).items()}

    return score


def _no_best(experiment: Experiment) -> None:
    """Raises a ConfigError where a best checkpoint is asked for, which would be the one of the largest error."""
    if experiment.loop.best_metric is not None:
        raise ConfigError(
            f"loop.best_metric is {experiment.loop.best_metric!r}, but the scores of signing are errors, and the best "
            "checkpoint is that of the largest score; set it to None"
        )


def _signing(experiment: Experiment, data: CaptionedData[Any], mesh: Mesh) -> Score:
    _no_best(experiment)
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


def _reconstruction(experiment: Experiment, data: CaptionedData[Any], mesh: Mesh) -> Score:
    _no_best(experiment)
    signing = cast(SignTextData, data)  # the task takes no other data
    coder = SignCoder(experiment.task, signing.settings, signing.assets, mesh=mesh)
    real = [clip.frames for clip in signing.clips("val")[:_MOST_SIGNED]]

    def score(state: TrainState) -> Mapping[str, float]:
        made = coder.reconstruct(state.params, state.collections, real)
        return {"val/reconstruction/ape": float(clip_errors(made, real, SignDistance())["ape"].mean())}

    return score
