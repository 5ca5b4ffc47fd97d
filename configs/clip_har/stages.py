"""Fine-tuning in three stages, as `base.py` does it to CLIP, on so little that it takes half a minute.

First what is new learns on features of frames that are computed once, then the last block of the backbone learns too,
then everything; each stage more slowly. Synthetic shapes move, and a small vision transformer from scratch sees them:
chance is 1 of 4, and the best that a look at single frames can do 1 of 2.
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
    Stage,
    TemporalFusion,
)


def get_config() -> Experiment:
    """Returns the experiment."""
    return Experiment(
        task=ClipHarTask(
            frames=FrameEncoder(
                backbone=ClipVision(
                    dim=32,
                    num_layers=2,
                    num_heads=4,
                    feedforward_dim=64,
                    embedding_dim=32,
                    image_size=32,
                    patch_size=8,
                    parent=None,
                ),
            ),
            adapter_dim=8,
            temporal=TemporalFusion(hidden_dim=32, num_heads=4),
            head=ClassifierHead(num_classes=4, dropout_rate=0.1),
            optimizer=AdamW(lr=4e-3, end_lr=1e-5, weight_decay=1e-4, warmup_steps=10, clip_norm=1.0),
        ),
        data=ActionVideos(
            source=ProceduralVideos(
                looks=("red_bar", "green_square"), moves=("left", "right"), num_train=24, num_val=8, num_test=16
            ),
            frame_size=32,
            frames_per_clip=8,
            batch_size=16,
        ),
        loop=Loop(
            epochs=36,
            evaluate_every=36,
            save_every=36,
            keep=3,  # the ends of all stages
            stages=(
                Stage(epochs=6, pattern="^(adapter|temporal|head)/"),
                Stage(epochs=6, pattern="^visual/(layer_1|post_norm|projection)/", lr_scale=0.5),
                Stage(epochs=24, pattern="", lr_scale=0.5),
            ),
        ),
    )
