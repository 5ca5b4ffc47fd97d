"""Near-duplicates: excerpts of a folder of videos, each with altered copies, told from other videos.

`--data.root FOLDER` names the videos, of which four are for testing and two for validation; docs/similarity.md has the
flags for a larger folder. Copies are re-encoded, cropped, scaled, re-timed, changed in colour, letter-boxed, marked
with logos, or spliced with another video. A frozen EfficientNet-Lite0 with ImageNet's weights sees each frame in four
parts, once; one linear layer learns in which way its features of a copy stay the same. Deeper ones remember a few
videos by heart and tell others worse.
"""

from jaxmm import (
    AdamW,
    CopiedVideos,
    CopyPairs,
    EmbeddingTrunk,
    Experiment,
    FrameEncoder,
    Loop,
    PairHead,
    PooledTrunk,
    SimilarVideos,
    SupervisedContrastive,
    VideoSimilarityTask,
)


def get_config() -> Experiment:
    """Returns the experiment."""
    return Experiment(
        task=VideoSimilarityTask(
            frames=FrameEncoder.lite0(grid=2),
            encoder=PooledTrunk(
                trunk=EmbeddingTrunk(hidden_dims=(), embedding_dim=512, unit_norm=True, parent=None), parent=None
            ),
            head=PairHead(kind="cosine", parent=None),
            objective=SupervisedContrastive(temperature=0.1),
            optimizer=AdamW(lr=3e-4, end_lr=1e-6, weight_decay=1e-4, clip_norm=1.0),
        ),
        data=SimilarVideos(
            source=CopiedVideos(seconds=3.0, stride=1.5, max_excerpts=3, copies=8, num_val=2, num_test=4),
            comparing=CopyPairs(excerpts_per_batch=16, copies_per_excerpt=4),
            fps=4.0,
            frame_size=128,
            frames_per_clip=8,
            batch_size=64,
        ),
        loop=Loop(epochs=40, evaluate_every=10, save_every=10),
    )
