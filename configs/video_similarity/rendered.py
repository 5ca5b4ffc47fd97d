"""Same actions: videos of people, as they are rendered from real motion, of which two are alike where they do the same.

`scripts/render_motion.py FOLDER rendered --actions bandai` makes the videos of 18 classes; `--data.root` names them.
A frozen EfficientNet-Lite0 with ImageNet's weights sees each frame in four parts, once; an encoder sees their order.
`jaxmm compare` trains further encoders in its place.
"""

from jaxmm import (
    AdamW,
    EmbeddingTrunk,
    Experiment,
    FrameEncoder,
    LabelPairs,
    Loop,
    PairHead,
    SimilarVideos,
    SupervisedContrastive,
    TcnEncoder,
    TemporalConvNet,
    VideoSimilarityTask,
    VideoTable,
)


def get_config() -> Experiment:
    """Returns the experiment."""
    return Experiment(
        task=VideoSimilarityTask(
            frames=FrameEncoder.lite0(grid=2),
            encoder=TcnEncoder(
                tcn=TemporalConvNet(dims=(256, 256, 256), parent=None),
                trunk=EmbeddingTrunk(hidden_dims=(), embedding_dim=128, unit_norm=True, parent=None),
                parent=None,
            ),
            head=PairHead(parent=None),
            objective=SupervisedContrastive(temperature=0.1),
            optimizer=AdamW(lr=1e-3, end_lr=1e-6, weight_decay=1e-4, warmup_steps=50, clip_norm=1.0),
        ),
        data=SimilarVideos(
            source=VideoTable(),
            comparing=LabelPairs(classes_per_batch=16, clips_per_class=4),
            fps=8.0,
            frame_size=128,
            frames_per_clip=16,
            batch_size=64,
        ),
        loop=Loop(epochs=60, evaluate_every=10, save_every=20),
    )
