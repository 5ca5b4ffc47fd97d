"""HumanML3D as its own lists split it; see docs/data.md. Half of its motions are mirrored already, captions and all.

At 10 frames a second the longest motion has 100 frames, so that all of each is seen.
"""

from jaxmm import (
    DanceTextTask,
    Experiment,
    Freeze,
    HumanMl3dFolder,
    Loop,
    MotionText,
    TagSplit,
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
            source=HumanMl3dFolder(),
            split=TagSplit(),
            fps=10.0,
            num_frames=100,
            centre="root_relative",
            tokenizer=MINILM,
        ),
        loop=Loop(epochs=50, save_every=10),
    )
