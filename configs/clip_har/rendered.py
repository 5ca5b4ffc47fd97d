"""Actions of people, as they are rendered from real motion: 18 classes, of which 15 differ in direction or order alone.

`scripts/render_motion.py FOLDER rendered --actions bandai` makes the videos; `--data.root` names them. A frozen
EfficientNet-Lite0 with ImageNet's weights sees each frame in four parts, since left and right are lost in a mean over
the picture; what is learnt is what the order of frames tells; `rendered_base.py` sees no order.
The prompts are compared in MiniLM's space of sentences. Features are computed once and kept on the disk.
"""

from jaxmm import (
    ActionVideos,
    AdamW,
    ClassifierHead,
    ClipHarTask,
    Experiment,
    FrameEncoder,
    Group,
    Loop,
    Prompts,
    Semantics,
    TemporalFusion,
    VideoTable,
)


def get_config() -> Experiment:
    """Returns the experiment."""
    return Experiment(
        task=ClipHarTask(
            frames=FrameEncoder.lite0(grid=2),
            temporal=TemporalFusion(hidden_dim=256, num_heads=4),
            head=ClassifierHead(num_classes=18, dropout_rate=0.5),
            label_smoothing=0.1,
            semantics=Semantics(source="sentence-transformers/all-MiniLM-L6-v2"),
            prompts=Prompts(templates=("a video of a person who does this: {}.", "{}")),
            embedding_dim=384,
            contrastive_weight=0.5,
            optimizer=AdamW(
                lr=1e-3,
                end_lr=1e-6,
                weight_decay=1e-4,
                clip_norm=1.0,
                groups=(Group(pattern="^visual/", lr_scale=None), Group(pattern="")),
            ),
        ),
        data=ActionVideos(source=VideoTable(), fps=8.0, frame_size=128, frames_per_clip=16, batch_size=32),
        loop=Loop(epochs=60, evaluate_every=10, save_every=20),
    )
