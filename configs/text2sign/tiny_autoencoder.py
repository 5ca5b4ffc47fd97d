"""The codes in which signing of `tiny.py` is compared with the procedural signer's.

Give its run to `jaxmm evaluate` as `--autoencoder`. Trains in half a minute on one CPU core.
"""

from jaxmm import AdamW, Experiment, Loop, ProceduralSigns, SignAutoencoder, SignAutoencoderTask, SignText


def get_config() -> Experiment:
    """Returns the experiment."""
    signs = ProceduralSigns(num_glosses=12, num_sentences=60, num_held_out=None, num_signers=1)
    return Experiment(
        task=SignAutoencoderTask(
            autoencoder=SignAutoencoder(hidden_dim=64, code_dim=16),
            optimizer=AdamW(lr=2e-3, end_lr=1e-5, weight_decay=0.0, warmup_steps=20),
        ),
        data=SignText(source=signs, fps=12.5, max_frames=64, max_tokens=16, batch_size=16),
        loop=Loop(epochs=20, evaluate_every=0, save_every=10),
    )
