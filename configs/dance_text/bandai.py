"""Bandai-Namco styled actions with frozen, mean-pooled MiniLM; PoseConvGru with the optimizer of the source.

The root joint carries the path, the others are given about the root: a pose looks the same wherever it is taken. Half
of the motions are mirrored, and those of rare captions are drawn oftener; longer ones than three seconds are embedded
window by window.

Test: the clips whose md5 of the key, as an integer, mod 10 is 0; there is no validation split.
"""

from jaxmm import (
    Augmentation,
    DanceTextTask,
    Experiment,
    Freeze,
    HashSplit,
    Loop,
    MotionFolder,
    MotionText,
    TransformerText,
)

MINILM = "sentence-transformers/all-MiniLM-L6-v2"


def get_config() -> Experiment:
    """Returns the experiment."""
    return Experiment(
        task=DanceTextTask(
            text=TransformerText.minilm(),
            text_weights=MINILM,
            pooling="mean",
            freeze=Freeze("everything"),
        ),
        data=MotionText(
            source=MotionFolder(),
            split=HashSplit(num_buckets=10, test=(0,)),
            fps=10.0,
            num_frames=30,
            window_stride=6,
            centre="root_relative",
            augmentation=Augmentation(mirror_rate=0.5),
            balance=0.5,
            tokenizer=MINILM,
        ),
        loop=Loop(epochs=50, save_every=10),
    )
