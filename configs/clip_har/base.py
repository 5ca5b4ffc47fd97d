"""CLIP ViT-B/32, fine-tuned in three stages to tell fifteen actions, with what the order of frames tells.

Name your folder by --data.root: it holds the tables of Kinetics (train.csv, validate.csv, test.csv), of which some
classes are enough, and the videos below videos/. Name the number of classes by --task.head.num_classes. While the
backbone rests, in the first stage, its features of all frames are computed once.
"""

from jaxmm import (
    ActionVideos,
    AdamW,
    ClassifierHead,
    ClipHarTask,
    Experiment,
    FrameEncoder,
    Group,
    KineticsTables,
    Loop,
    Stage,
    TemporalFusion,
)


def get_config() -> Experiment:
    """Returns the experiment."""
    return Experiment(
        task=ClipHarTask(
            frames=FrameEncoder(weights="openai/clip-vit-base-patch32"),
            adapter_dim=128,
            temporal=TemporalFusion(),
            head=ClassifierHead(num_classes=15),
            optimizer=AdamW(
                lr=1e-3,
                weight_decay=1e-2,
                warmup_steps=100,
                clip_norm=1.0,
                groups=(Group(pattern="^visual/", lr_scale=0.01), Group(pattern="")),
            ),
        ),
        data=ActionVideos(source=KineticsTables(), on_bad="skip"),
        loop=Loop(
            epochs=30,
            best_metric="val/top1",
            stages=(
                Stage(epochs=15, pattern="^(adapter|temporal|head)/"),
                Stage(epochs=10, pattern="^visual/(layer_1[01]|post_norm|projection)/", lr_scale=0.5),
                Stage(epochs=5, pattern="", lr_scale=0.25),
            ),
        ),
    )
