"""The recipe of the source (docs/features.md): DistilBERT, its last four tensors trainable, PoseConvGru, 50 epochs.

The data are the built-in synthetic motions, and `--data.root` is refused; for your own, see bandai.py and cmu.py.
"""

from jaxmm import DanceTextTask, Experiment, Freeze, Loop, MotionText, ProceduralMotions, TransformerText

DISTILBERT = "distilbert/distilbert-base-uncased"


def get_config() -> Experiment:
    """Returns the experiment."""
    return Experiment(
        task=DanceTextTask(text=TransformerText(), text_weights=DISTILBERT, freeze=Freeze.last_tensors(4)),
        data=MotionText(source=ProceduralMotions(), num_frames=60, tokenizer=DISTILBERT),
        loop=Loop(epochs=50),
    )
