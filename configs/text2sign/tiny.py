"""The smallest text-to-sign experiment that learns: synthetic signs, a small text tower and generator from scratch.

Trains in under two minutes on one CPU core; used by the tests. The signs are invented and belong to no sign language.
"""

from jaxmm import (
    AdamW,
    Experiment,
    Freeze,
    Loop,
    ProceduralSigns,
    SignCritic,
    SignGenerator,
    SignObjective,
    SignText,
    Text2SignTask,
    TransformerText,
)
from jaxmm.generators.lengths import LengthBins

MAX_FRAMES = 64


def get_config() -> Experiment:
    """Returns the experiment."""
    return Experiment(
        task=Text2SignTask(
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
            freeze=Freeze("nothing"),
            generator=SignGenerator(
                hidden_dim=64,
                num_layers=2,
                max_frames=MAX_FRAMES,
                lengths=LengthBins(shortest=6, longest=MAX_FRAMES, step=1),
            ),
            critic=SignCritic(base_dim=32),
            objective=SignObjective(adversarial=0.01, adversarial_from=20.0, detection=0.1),
            ema_decay=0.99,
            optimizer=AdamW(lr=2e-3, end_lr=1e-5, weight_decay=0.0, warmup_steps=60, clip_norm=1.0),
            critic_optimizer=AdamW(lr=2e-4, end_lr=2e-4, weight_decay=0.0, b1=0.5, b2=0.9, clip_norm=1.0),
        ),
        data=SignText(
            source=ProceduralSigns(num_glosses=12, num_sentences=60, num_held_out=None, num_signers=1),
            fps=12.5,
            max_frames=MAX_FRAMES,
            max_tokens=16,
            batch_size=8,
        ),
        loop=Loop(epochs=50, evaluate_every=0, save_every=25),
    )
