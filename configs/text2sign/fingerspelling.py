"""Words spelled by real hands in three sign languages, from their letters; words unseen in training are held out.

The folder of letters is given with `--data.root`; see docs/signs.md. Trains in about ten minutes on one CPU core.
"""

from jaxmm import (
    AdamW,
    Experiment,
    Freeze,
    Loop,
    SignCritic,
    SignGenerator,
    SignObjective,
    SignText,
    SpelledWords,
    Text2SignTask,
    TransformerText,
)
from jaxmm.generators.lengths import LengthBins

LANGUAGES = ("ase", "gsg", "ssp")
MAX_FRAMES = 80
WORDS = SpelledWords(languages=LANGUAGES, num_words=879, speed=2.0, max_frames=MAX_FRAMES)


def get_config() -> Experiment:
    """Returns the experiment."""
    return Experiment(
        task=Text2SignTask(
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
            freeze=Freeze("nothing"),
            generator=SignGenerator(
                hidden_dim=128,
                num_layers=2,
                num_signers=len(LANGUAGES),
                max_frames=MAX_FRAMES,
                lengths=LengthBins(shortest=10, longest=MAX_FRAMES, step=1),
            ),
            critic=SignCritic(base_dim=32),
            objective=SignObjective(adversarial=0.01, adversarial_from=8.0),
            ema_decay=0.99,
            optimizer=AdamW(lr=1e-3, end_lr=1e-5, weight_decay=0.0, warmup_steps=100, clip_norm=1.0),
            critic_optimizer=AdamW(lr=2e-4, end_lr=2e-4, weight_decay=0.0, b1=0.5, b2=0.9, clip_norm=1.0),
        ),
        data=SignText(source=WORDS, max_frames=MAX_FRAMES, max_tokens=12, batch_size=16),
        loop=Loop(epochs=24, evaluate_every=8, save_every=8),
    )
