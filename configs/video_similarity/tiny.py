"""The smallest system that learns which videos are alike: synthetic shapes that move, seen by a network from scratch.

Two videos belong together where the same shape moves the same way. Chance is 0.5 of the area under the ROC curve; that
shapes are told apart is learnt in so short a training, which way they go hardly. Trains in under a minute on one CPU
core; used by the tests.
"""

from jaxmm import (
    AdamW,
    ClipVision,
    EmbeddingTrunk,
    Experiment,
    FrameEncoder,
    LabelPairs,
    Loop,
    PairHead,
    ProceduralVideos,
    SimilarVideos,
    SupervisedContrastive,
    TcnEncoder,
    TemporalConvNet,
    VideoSimilarityTask,
)


def get_config() -> Experiment:
    """Returns the experiment."""
    return Experiment(
        task=VideoSimilarityTask(
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
            train_backbone=True,
            encoder=TcnEncoder(
                tcn=TemporalConvNet(dims=(48, 48), parent=None),
                trunk=EmbeddingTrunk(hidden_dims=(64,), embedding_dim=32, dropout_rate=0.1, parent=None),
                parent=None,
            ),
            head=PairHead(hidden_dims=(32,), dropout_rate=0.1, parent=None),
            objective=SupervisedContrastive(),
            optimizer=AdamW(lr=2e-3, end_lr=1e-5, weight_decay=1e-4, warmup_steps=20, clip_norm=1.0),
        ),
        data=SimilarVideos(
            source=ProceduralVideos(
                looks=("red_bar", "green_square", "blue_triangle", "yellow_cross"),
                moves=("left", "right"),
                num_train=16,
                num_test=6,
            ),
            comparing=LabelPairs(classes_per_batch=8, clips_per_class=4),
            frame_size=32,
            frames_per_clip=8,
            batch_size=32,
        ),
        loop=Loop(epochs=40, evaluate_every=20, save_every=20),
    )
