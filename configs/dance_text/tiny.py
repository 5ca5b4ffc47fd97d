"""The smallest experiment that learns: synthetic motions, a small text tower from scratch, a small motion encoder.

Trains in about two minutes on two CPU cores; used by the tests.
"""

from jaxmm import (
    AdamW,
    DanceTextTask,
    Experiment,
    Freeze,
    Loop,
    MotionText,
    PoseConvGru,
    ProceduralMotions,
    ProjectionHead,
    TransformerText,
)


def get_config() -> Experiment:
    """Returns the experiment."""
    return Experiment(
        task=DanceTextTask(
            motion=PoseConvGru(conv_dims=(64,), hidden_dim=64, num_layers=1, embedding_dim=64),
            text=TransformerText(
                vocab_size=512,
                dim=64,
                num_layers=1,
                num_heads=4,
                feedforward_dim=128,
                max_positions=64,
                dropout_rate=0.0,
            ),
            text_head=ProjectionHead(hidden_dim=128, embedding_dim=64),
            pooling="mean",
            freeze=Freeze("nothing"),
            optimizer=AdamW(lr=2e-3, end_lr=1e-5),
        ),
        data=MotionText(source=ProceduralMotions(takes=2, held_out_takes=1), fps=10.0, num_frames=30, batch_size=64),
        loop=Loop(epochs=20, evaluate_every=10, save_every=10),
    )
