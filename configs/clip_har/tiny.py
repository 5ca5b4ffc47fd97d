"""The smallest classifier of videos that learns: synthetic shapes that move, a small vision transformer from scratch.

Half of what tells the classes apart is in the order of frames alone, so chance is 1 of 8, and the best that a look at
single frames can do 1 of 4. Trains in about a minute on one CPU core; used by the tests.
"""

from jaxmm import (
    ActionVideos,
    AdamW,
    ClassifierHead,
    ClipHarTask,
    ClipVision,
    Experiment,
    FrameEncoder,
    Loop,
    ProceduralVideos,
    TemporalFusion,
)


def get_config() -> Experiment:
    """Returns the experiment."""
    return Experiment(
        task=ClipHarTask(
            frames=FrameEncoder(
                backbone=ClipVision(
                    dim=48,
                    num_layers=2,
                    num_heads=4,
                    feedforward_dim=96,
                    embedding_dim=48,
                    image_size=32,
                    patch_size=8,
                    parent=None,
                ),
            ),
            temporal=TemporalFusion(hidden_dim=64, num_heads=4),
            head=ClassifierHead(num_classes=8, dropout_rate=0.1),
            optimizer=AdamW(lr=2e-3, end_lr=1e-5, weight_decay=1e-4, warmup_steps=20, clip_norm=1.0),
        ),
        data=ActionVideos(
            source=ProceduralVideos(
                looks=("red_bar", "green_square"), moves=("left", "right", "grow", "shrink"), num_train=24, num_test=6
            ),
            frame_size=32,
            frames_per_clip=8,
            batch_size=16,
        ),
        loop=Loop(epochs=30, evaluate_every=10, save_every=10),
    )
