"""50 Salads: features of frames are brought to MiniLM's embeddings of what their labels mean.

Features are the 56 numbers a frame of the data's `features` folder; a tenth of the training videos is held out for
early stopping. `jaxmm compare` with `configs/segmentation/salads.py` tells whether the aligned features help.
"""

from jaxmm import (
    AdamW,
    Experiment,
    FrameProjector,
    Group,
    Loop,
    SegmentationFolder,
    SegmentedVideos,
    SemanticAlignmentTask,
    TemporalConvNet,
)


def get_config() -> Experiment:
    """Returns the experiment."""
    return Experiment(
        task=SemanticAlignmentTask(
            encoder=TemporalConvNet(dims=(128, 128, 64)),
            projector=FrameProjector(hidden_dim=256),
            num_labels=18,
            optimizer=AdamW(
                lr=2e-3,
                end_lr=1e-6,
                restart_epochs=10,
                clip_norm=0.5,
                groups=(
                    Group(pattern="^encoder/", lr_scale=0.5, weight_decay=1e-4),
                    Group(pattern="^projector/", weight_decay=1e-3),
                ),
            ),
        ),
        data=SegmentedVideos(source=SegmentationFolder(dim=(56,), fps=1.0), null_labels=("null",), most_speed=1.25),
        loop=Loop(
            epochs=30,
            evaluate_every=2,
            save_every=2,
            best_metric="val/loss",
            best_is="smaller",
            patience=8,
        ),
    )
