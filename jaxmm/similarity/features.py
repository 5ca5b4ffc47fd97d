"""Features of frames that several runs share: computed once, and found on the disk from then on."""

from collections.abc import Callable
from typing import cast

from jaxmm.data.similar_videos import SimilarVideosData
from jaxmm.model import Model
from jaxmm.rows import embedder
from jaxmm.tasks.video_similarity import VideoSimilarityTask
from jaxmm.train.step import make_mesh
from jaxmm.typing import Batch


def kept_features(model: Model, data: SimilarVideosData, split: str) -> Callable[[Batch], Batch]:
    """Returns what puts features in place of the frames of a split; nothing where training changed what sees them.

    Args:
        model: A run that compares videos.
        data: Its data.
        split: `train`, `val` or `test`.

    Example:
        >>> import jaxmm
        >>> kept_features(jaxmm.load("no/such/run"), None, "test")
        Traceback (most recent call last):
        jaxmm.errors.CheckpointError: no/such/run: is not a run; give the folder that jaxmm train wrote
    """
    task = cast(VideoSimilarityTask, model.experiment.task)
    found = None
    if not task.trains_backbone(model.params, model.experiment.loop.horizon()):
        found = task.features_of(data, split, embedder(task, model, make_mesh()))
    return found or (lambda batch: batch)
