"""Writing the labels that a run gives to frames, by the descriptions of training or by others."""

from collections import Counter
from pathlib import Path

from jaxmm.data.segmentation.labels import read_descriptions, write_frame_labels
from jaxmm.data.segmentation.vocabulary import Vocabulary
from jaxmm.errors import ConfigError, WeightsError
from jaxmm.files import check_free, whole_folder
from jaxmm.frames.evaluation import embeddings_of, labels_of
from jaxmm.model import Model
from jaxmm.tasks.semantic_alignment import SemanticAlignmentTask


def write_labels(
    model: Model, out: Path, *, split: str = "test", root: str | None = None, descriptions: Path | None = None
) -> dict[str, float]:
    """Writes the label of every frame of a split's videos, one a line.

    Args:
        model: A run of segmentation, or of semantic alignment, which takes the label of the nearest description.
        out: Folder to write, new or empty.
        split: `train`, `val` or `test`.
        root: Folder of the data; the run's own by default.
        descriptions: File of labels and descriptions to choose from instead of those of training, which an alignment
            compares with whether it has met them or not.

    Returns:
        Number of videos and frames, and the number of frames that were given each label.

    Raises:
        ConfigError: If the run is of another system, or takes no descriptions.
        DataError: If the data or descriptions cannot be read, or `out` holds something.
        WeightsError: If the descriptions cannot be embedded as those of training were.
    """
    check_free(out)
    data, embeddings, vocabulary = model.open_segmented(root=root), embeddings_of(model), model.frames.vocabulary
    if descriptions is not None:
        task = model.experiment.task
        if not isinstance(task, SemanticAlignmentTask):
            raise ConfigError(f"{model.run}: chooses among the labels of training only; leave --descriptions out")
        told = read_descriptions(descriptions)
        vocabulary = Vocabulary(tuple(told), tuple(told.values()))
        embeddings = task.semantics(vocabulary)
        if embeddings.shape[1] != task.projector.embedding_dim:
            raise WeightsError(
                f"{task.semantics.source}: its embeddings have {embeddings.shape[1]} numbers, but those of training "
                f"had {task.projector.embedding_dim}; compute them with the model of training"
            )
    videos, counts = data.videos(split), Counter[str]()
    answers = model.frames(model.params, model.collections, (video.features for video in videos))
    with whole_folder(out) as building:
        for video, answer in zip(videos, answers, strict=True):
            labels = labels_of(answer, embeddings)
            write_frame_labels(building / f"{video.key}.txt", labels, vocabulary)
            counts.update(vocabulary.labels[label] for label in labels)
    frames = {f"frames/{label}": float(count) for label, count in counts.most_common()}
    return {"videos": float(len(videos)), "frames": float(counts.total()), **frames}
