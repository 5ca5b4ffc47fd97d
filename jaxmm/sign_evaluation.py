"""How well a text-to-sign run signs the texts of a split, beside what who cannot sign would answer."""

import dataclasses

from jaxmm.evaluate.signs import SignDistance, baselines, diversity, score_signs
from jaxmm.model import ASSETS_FOLDER, Model

_MOST_COMPARED = 32  # clips of which all pairs are compared for diversity


def evaluate_signing(model: Model, *, split: str, root: str | None = None, seed: int = 0) -> dict[str, float]:
    """Generates a clip for each text of a split and compares it with the real one.

    Args:
        model: A text-to-sign run.
        split: `train`, `val` or `test`.
        root: Folder of the data; the run's own by default.
        seed: Seed of the noise and of the baselines' choice, >= 0.

    Returns:
        `<split>/<answer>/<metric>`, where the answers are `signing`, the model's, and the baselines `mean_pose`,
        `random_clip` and `nearest_text`; and, where there are two clips or more, the diversity of generated and of
        real ones.

    Raises:
        ConfigError: If the run is of another system, or there is no such split.
        DataError: If the data cannot be read.
    """
    maker = model.signer
    settings = maker.data if root is None else dataclasses.replace(maker.data, root=root)
    data = settings.open(model.run / ASSETS_FOLDER)
    train, real, kind = data.clips("train"), data.clips(split), data.settings.text
    texts = [str(clip.text(kind)) for clip in real]
    made = maker(model.params, model.collections, texts, seed=seed, signer=maker.signers_of(real))
    answers = {
        "signing": [clip.frames for clip in made],
        **baselines(train, real, text=kind, seed=seed),
    }
    distance = SignDistance()
    wanted = [clip.frames for clip in real]
    scores = {
        f"{split}/{answer}/{name}": value
        for answer, own in answers.items()
        for name, value in score_signs(own, wanted, distance).items()
    }
    if len(wanted) > 1:  # diversity compares clips with each other
        for answer, own in (("signing", answers["signing"]), ("real", wanted)):
            scores[f"{split}/{answer}/diversity"] = diversity(own[:_MOST_COMPARED], distance)
    return scores
