"""The codes in which signing of `fingerspelling.py` is compared with real hands.

Give its run to `jaxmm evaluate` as `--autoencoder`.
"""

from jaxmm import AdamW, Experiment, Loop, SignAutoencoder, SignAutoencoderTask, SignText, SpelledWords

MAX_FRAMES = 80


def get_config() -> Experiment:
    """Returns the experiment."""
    words = SpelledWords(languages=("ase", "gsg", "ssp"), num_words=879, speed=2.0, max_frames=MAX_FRAMES)
    return Experiment(
        task=SignAutoencoderTask(
            autoencoder=SignAutoencoder(hidden_dim=128, code_dim=32),
            optimizer=AdamW(lr=1e-3, end_lr=1e-5, weight_decay=0.0, warmup_steps=50),
        ),
        data=SignText(source=words, max_frames=MAX_FRAMES, max_tokens=12, batch_size=32),
        loop=Loop(epochs=10, evaluate_every=5, save_every=5),
    )
