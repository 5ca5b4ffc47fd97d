"""The judge of `fingerspelling.py`: learns, from real hands alone, which letters a motion of the hands spells.

Give its run to `jaxmm evaluate` as `--back-translation`.
"""

from jaxmm import (
    AdamW,
    DanceTextTask,
    Experiment,
    Freeze,
    Loop,
    MotionText,
    PoseConvGru,
    ProjectionHead,
    SignMotions,
    SpelledWords,
    TransformerText,
)

MAX_FRAMES = 80


def get_config() -> Experiment:
    """Returns the experiment."""
    words = SpelledWords(languages=("ase", "gsg", "ssp"), num_words=879, speed=2.0, max_frames=MAX_FRAMES)
    return Experiment(
        task=DanceTextTask(
            motion=PoseConvGru(conv_dims=(128,), hidden_dim=128, num_layers=1, embedding_dim=128),
            text=TransformerText(
                vocab_size=64,
                dim=128,
                num_layers=2,
                num_heads=4,
                feedforward_dim=256,
                max_positions=16,
                dropout_rate=0.0,
                attention_dropout_rate=0.0,
            ),
            text_head=ProjectionHead(hidden_dim=128, embedding_dim=128),
            pooling="mean",
            freeze=Freeze("nothing"),
            optimizer=AdamW(lr=1e-3, end_lr=1e-5, warmup_steps=50),
        ),
        data=MotionText(
            source=SignMotions(signs=words),
            fps=25.0,
            num_frames=MAX_FRAMES,
            centre="none",
            scale=4.0,
            max_tokens=12,
            batch_size=64,
        ),
        loop=Loop(epochs=20, evaluate_every=5, save_every=10),
    )
