"""Pictures of what a run says of the frames of a split."""

from pathlib import Path

import numpy as np

from jaxmm.evaluate.alignment import similarities
from jaxmm.evaluate.frame_plots import plot_labels, plot_similarities, plot_timeline
from jaxmm.frames.evaluation import embeddings_of, label_types, labels_of
from jaxmm.model import Model


def draw_answers(model: Model, out: Path, *, split: str = "test", root: str | None = None) -> int:
    """Draws a timeline of every video, and of an alignment how near frames are to their descriptions.

    Args:
        model: A run of semantic alignment or segmentation.
        out: Folder to write: `<video>.png`, and of an alignment `similarities.png` by type and `labels.png`.
        split: `train`, `val` or `test`.
        root: Folder of the data; the run's own by default.

    Returns:
        Number of pictures.

    Raises:
        ConfigError: If the run is of another system, or there is no such split.
        DataError: If the data cannot be read.
        MissingExtraError: If matplotlib is not installed.
    """
    data, embeddings = model.open_segmented(root=root), embeddings_of(model)
    videos, names = data.videos(split), data.vocabulary.labels
    answers = list(model.frames(model.params, model.collections, [video.features for video in videos]))
    out.mkdir(parents=True, exist_ok=True)
    for video, answer in zip(videos, answers, strict=True):
        rows = {"truth": video.labels, "found": labels_of(answer, embeddings)}
        plot_timeline(out / f"{video.key}.png", rows, names, title=video.key, fps=video.fps)
    if embeddings is None:
        return len(videos)
    numbers = np.concatenate([video.labels for video in videos])
    near = np.concatenate(
        [
            similarities(answer, embeddings)[np.arange(len(answer)), video.labels]
            for answer, video in zip(answers, videos, strict=True)
        ]
    )
    by_type = {name: near[np.isin(numbers, own)] for name, own in label_types(data).items() if own}
    plot_similarities(out / "similarities.png", by_type)
    plot_labels(out / "labels.png", {name: near[numbers == number] for number, name in enumerate(names)})
    return len(videos) + 2
