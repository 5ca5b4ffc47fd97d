"""Synthetic motions of the built-in figure searched with real MiniLM sentences; the README's first run.

The test split holds combinations of action, side, direction, speed and repetition that training never shows.
"""

from jaxmm import AdamW, DanceTextTask, Experiment, Freeze, Loop, MotionText, ProceduralMotions, TransformerText

MINILM = "sentence-transformers/all-MiniLM-L6-v2"


def get_config() -> Experiment:
    """Returns the experiment."""
    return Experiment(
        task=DanceTextTask(
            text=TransformerText.minilm(),
            text_weights=MINILM,
            pooling="mean",
            freeze=Freeze("everything"),
            optimizer=AdamW(lr=1e-3, end_lr=1e-6, warmup_steps=50),
        ),
        data=MotionText(
            source=ProceduralMotions(takes=4, held_out_takes=2),
            fps=10.0,
            num_frames=30,
            tokenizer=MINILM,
            batch_size=64,
        ),
        loop=Loop(epochs=10, evaluate_every=5, save_every=5),
    )
