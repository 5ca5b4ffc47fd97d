"""Bandai-Namco styled actions with frozen, mean-pooled MiniLM; PoseConvGru trained by the seed's recipe,
with half of the training motions mirrored, left and right exchanged in their captions too.

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
            text=TransformerText(
                dim=384,
                num_layers=6,
                num_heads=12,
                feedforward_dim=1536,
                num_token_types=2,
                dropout_after_attention=True,
            ),
            text_weights=MINILM,
            pooling="mean",
            freeze=Freeze("everything"),
        ),
        data=MotionText(
            source=MotionFolder(),
            split=HashSplit(num_buckets=10, test=(0,)),
            fps=10.0,
            num_frames=30,
            augmentation=Augmentation(mirror_rate=0.5),
            tokenizer=MINILM,
        ),
        loop=Loop(epochs=50, save_every=10),
    )
