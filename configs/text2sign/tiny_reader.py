"""The judge of `tiny.py`: learns, from the procedural signer alone, which signs a motion of the hands shows.

Give its run to `jaxmm evaluate` as `--back-translation`. Trains in half a minute on one CPU core.
"""

from jaxmm import (
    AdamW,
    DanceTextTask,
    Experiment,
    Freeze,
    Loop,
    MotionText,
    PoseConvGru,
    ProceduralSigns,
    ProjectionHead,
    SignMotions,
    TransformerText,
)


def get_config() -> Experiment:
    """Returns the experiment."""
    signs = ProceduralSigns(num_glosses=12, num_sentences=60, num_held_out=None, num_signers=1)
    return Experiment(
        task=DanceTextTask(
            motion=PoseConvGru(conv_dims=(64,), hidden_dim=64, num_layers=1, embedding_dim=64),
            text=TransformerText(
                vocab_size=64,
                dim=64,
                num_layers=1,
                num_heads=4,
                feedforward_dim=128,
                max_positions=16,
                dropout_rate=0.0,
                attention_dropout_rate=0.0,
            ),
            text_head=ProjectionHead(hidden_dim=64, embedding_dim=64),
            pooling="mean",
            freeze=Freeze("nothing"),
            optimizer=AdamW(lr=2e-3, end_lr=1e-5, warmup_steps=20),
        ),
        data=MotionText(
            source=SignMotions(signs=signs),
            fps=12.5,
            num_frames=64,
            centre="none",
            scale=4.0,
            max_tokens=16,
            batch_size=32,
        ),
        loop=Loop(epochs=40, evaluate_every=0, save_every=20),
    )
