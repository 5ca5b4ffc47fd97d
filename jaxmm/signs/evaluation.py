"""How well a run signs the texts of a split, beside what who cannot sign would answer; how well another codes them."""

import dataclasses
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float32

from jaxmm.data.sign.clip import SignClip, TextKind
from jaxmm.data.sign.motions import as_motion
from jaxmm.data.sources import SignMotions
from jaxmm.errors import ConfigError
from jaxmm.evaluate.frechet import frechet_distance
from jaxmm.evaluate.retrieval import evaluate_retrieval
from jaxmm.evaluate.signs import SignDistance, baselines, clip_errors, diversity, score_signs
from jaxmm.model import Model

_MOST_COMPARED = 32  # clips of which all pairs are compared for diversity
_TRANSLATED = ("recall@1", "recall@5", "median_rank")


def evaluate_signing(
    model: Model,
    *,
    split: str,
    root: str | None = None,
    seed: int = 0,
    num_resamples: int = 0,
    back_translation: Model | None = None,
    autoencoder: Model | None = None,
) -> dict[str, float]:
    """Generates a clip for each text of a split and compares it with the real one.

    Args:
        model: A text-to-sign run.
        split: `train`, `val` or `test`.
        root: Folder of the data; the run's own by default.
        seed: Seed of the noise and of the baselines' choice, >= 0.
        num_resamples: Bootstrap draws over the clips for 95% intervals; 0 has none.
        back_translation: A retrieval run that was trained on real signing (`SignMotions`): can it tell what is signed?
        autoencoder: A run of a signing autoencoder, in whose codes generated and real signing are compared.

    Returns:
        `<split>/<answer>/<metric>`, where the answers are `signing`, the model's, and the baselines `mean_pose`,
        `random_clip` and `nearest_text`; `real`, the real clips themselves, where a metric is not 0 of them. The ends
        of intervals are `.../low` and `.../high`. Diversity is of the first 32 clips. The Frechet distance is to the
        real clips of the split; that of `real` is of the training split's, the least to be expected.

    Raises:
        ConfigError: If a run is of another system, or there is no such split.
        DataError: If the data cannot be read, or are too few for a distribution of codes.
    """
    maker = model.signer
    data, kind = model.open_signing(root=root), maker.data.text
    train, real = data.clips("train"), data.clips(split)
    texts = [str(clip.text(kind)) for clip in real]
    made = maker(model.params, model.collections, texts, seed=seed, signer=maker.signers_of(real))
    distance = SignDistance()
    answers = {
        "signing": [clip.frames for clip in made],
        **baselines(train, real, text=kind, seed=seed),
        "real": [clip.frames for clip in real],
    }
    scores: dict[str, float] = {}
    for answer, own in answers.items():
        found: dict[str, float] = {}
        if answer != "real":
            found |= score_signs(clip_errors(own, answers["real"], distance), num_resamples=num_resamples)
        if answer in ("signing", "real") and len(own) > 1:  # diversity compares clips with each other
            found["diversity"] = diversity(own[:_MOST_COMPARED], distance)
        if back_translation is not None:
            clips = [dataclasses.replace(clip, frames=frames) for clip, frames in zip(real, own, strict=True)]
            found |= _translated(back_translation, clips, kind, num_resamples)
        if autoencoder is not None:
            compared = own if answer != "real" else [clip.frames for clip in train]
            found["frechet"] = frechet_distance(_codes(autoencoder, compared), _codes(autoencoder, answers["real"]))
        scores |= {f"{split}/{answer}/{name}": value for name, value in found.items()}
    return scores


def _translated(dual: Model, clips: Sequence[SignClip], text: TextKind, num_resamples: int) -> dict[str, float]:
    """Returns how often a retrieval run finds the text of a clip among those of all clips."""
    source = dual.embedder.data.source
    if not isinstance(source, SignMotions) or source.text != text:
        raise ConfigError(
            f"{dual.run}: was not trained to tell the {text} of signing; for back-translation train a retrieval run "
            f"whose data.source is SignMotions(text={text!r})"
        )
    rows = dual.embed_motion([as_motion(clip, text=text) for clip in clips])
    captions = sorted({str(clip.text(text)) for clip in clips})
    relevant = np.array([[clip.text(text) == caption for caption in captions] for clip in clips])
    scores = evaluate_retrieval(rows, dual.embed_text(captions), relevant, num_resamples=num_resamples)
    told = [f"{name}{end}" for name in _TRANSLATED for end in ("", "/low", "/high")]
    found = {name: scores[f"motion_to_text/{name}"] for name in told if f"motion_to_text/{name}" in scores}
    return {f"back_translation/{name}": value for name, value in {**found, "chance": 1 / len(captions)}.items()}


def _codes(
    autoencoder: Model, clips: Sequence[Float32[np.ndarray, "_time dim"]]
) -> Float32[np.ndarray, "codes code_dim"]:
    return autoencoder.coder.codes(autoencoder.params, autoencoder.collections, clips)


def evaluate_reconstruction(
    autoencoder: Model, *, split: str, root: str | None = None, num_resamples: int = 0
) -> dict[str, float]:
    """Returns `<split>/reconstruction/ape`: how far a signing autoencoder's clips are from those that it was given.

    Args:
        autoencoder: A run of a signing autoencoder.
        split: `train`, `val` or `test`.
        root: Folder of the data; the run's own by default.
        num_resamples: Bootstrap draws over the clips for 95% intervals; 0 has none.

    Raises:
        ConfigError: If the run is of another system, or there is no such split.
        DataError: If the data cannot be read.
    """
    real = [clip.frames for clip in autoencoder.open_signing(root=root).clips(split)]
    made = autoencoder.coder.reconstruct(autoencoder.params, autoencoder.collections, real)
    errors = {"ape": clip_errors(made, real, SignDistance())["ape"]}
    found = score_signs(errors, num_resamples=num_resamples)
    return {f"{split}/reconstruction/{name}": value for name, value in found.items()}
