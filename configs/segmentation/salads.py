"""50 Salads: MS-TCN on the 56 numbers a frame of the data's `features` folder.

Nothing is chosen by a validation split, so all training videos are trained on.
"""

from jaxmm import AdamW, Experiment, Loop, MultiStageTcn, SegmentationFolder, SegmentationTask, SegmentedVideos


def get_config() -> Experiment:
    """Returns the experiment."""
    return Experiment(
        task=SegmentationTask(
            head=MultiStageTcn(num_labels=18, input_dropout_rate=0.15),
            optimizer=AdamW(lr=1e-3, end_lr=1e-6, weight_decay=0.0),
        ),
        data=SegmentedVideos(source=SegmentationFolder(dim=(56,), fps=1.0), val_fraction=0.0, batch_size=1),
        loop=Loop(epochs=50, evaluate_every=0, save_every=10),
    )
