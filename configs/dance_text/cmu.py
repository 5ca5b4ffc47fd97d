"""CMU motion capture with human descriptions: few and long recordings, so the crops are long and augmented."""

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
            split=HashSplit(num_buckets=5, test=(0,)),
            fps=15.0,
            num_frames=90,
            face_forward=True,
            augmentation=Augmentation(mirror_rate=0.5, speed_range=(0.85, 1.15)),
            tokenizer=MINILM,
            batch_size=26,
        ),
        loop=Loop(epochs=200, save_every=50),
    )
