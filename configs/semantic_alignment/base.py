"""Semantic alignment as it was first described: features of 768 numbers a frame, MiniLM's embeddings of descriptions.

Name your folder by --data.root, and the number of labels of its mapping.txt by --task.num_labels.
"""

from jaxmm import Experiment, Loop, SegmentationFolder, SegmentedVideos, SemanticAlignmentTask


def get_config() -> Experiment:
    """Returns the experiment."""
    return Experiment(
        task=SemanticAlignmentTask(num_labels=75),
        data=SegmentedVideos(
            source=SegmentationFolder(dim=(768,)), null_labels=("null",), wrong_labels=("wrong",), max_frames=8192
        ),
        loop=Loop(
            epochs=150,
            evaluate_every=1,
            save_every=1,
            keep_every=20,
            best_metric="val/loss",
            best_is="smaller",
            patience=20,
        ),
    )
