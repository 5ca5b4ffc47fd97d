"""The smallest segmentation that learns: synthetic recipe videos and a small MS-TCN.

Trains in half a minute on one CPU core; used by the tests.
"""

from jaxmm import AdamW, Experiment, Loop, MultiStageTcn, ProceduralSegments, SegmentationTask, SegmentedVideos


def get_config() -> Experiment:
    """Returns the experiment."""
    return Experiment(
        task=SegmentationTask(
            head=MultiStageTcn(num_labels=27, num_stages=2, num_layers=6, dim=32, dropout_rate=0.2),
            optimizer=AdamW(lr=3e-3, end_lr=1e-4, weight_decay=0.0),
        ),
        # So few frames that nearly all batches have one length, which is compiled once.
        data=SegmentedVideos(source=ProceduralSegments(), max_frames=192),
        loop=Loop(epochs=20, evaluate_every=0, save_every=10),
    )
