"""The seed's recipe with its design corrected: a frozen DistilBERT, frames that know of each other, 50 epochs.

The data are the procedural signs; for a folder of your own, put `SignFolder()` in their place and give `--data.root`.
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
