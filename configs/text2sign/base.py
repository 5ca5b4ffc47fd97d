"""The recipe of the source (docs/features.md), corrected: a frozen DistilBERT, frames that know each other, 50 epochs.

The data are the procedural signs; `folder.py` is the same for a folder of your own.
"""

from jaxmm import Experiment, Loop, ProceduralSigns, SignText, Text2SignTask, TransformerText

DISTILBERT = "distilbert/distilbert-base-uncased"


def get_config() -> Experiment:
    """Returns the experiment."""
    return Experiment(
        task=Text2SignTask(text=TransformerText(), text_weights=DISTILBERT),
        data=SignText(source=ProceduralSigns(), text="gloss", max_frames=128, max_tokens=64, tokenizer=DISTILBERT),
        loop=Loop(epochs=50),
    )
