"""What the two players of text-to-sign minimise, as pure functions of a batch and of what was made of its texts."""

from collections.abc import Callable
from typing import TypeAlias

import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float

from jaxmm.data.sign.layout import HOLISTIC
from jaxmm.generators.lengths import LengthBins
from jaxmm.generators.sign import Generated
from jaxmm.objectives.adversarial import gradient_penalty, hinge_critic, hinge_generator
from jaxmm.objectives.reduce import masked_mean
from jaxmm.objectives.sign import SignObjective, Weights
from jaxmm.typing import Batch, Metrics

Score: TypeAlias = Callable[[Float[Array, "batch time dim"]], Float[Array, "batch"]]
"""A critic, as a function of frames alone."""


def critic_loss(
    score: Score, made: Float[Array, "batch time dim"], batch: Batch, *, objective: SignObjective
) -> tuple[Float[Array, ""], Metrics]:
    """Returns what the critic minimises, and the mean scores of real and of generated clips.

    Args:
        score: The critic.
        made: Generated frames.
        batch: Holds the real ones.
        objective: Says how much the penalty on a steep critic counts.

    Example:
        >>> batch = {"frames": jnp.full((1, 2, 3), 0.5), "example_mask": jnp.ones(1, bool)}
        >>> def score(frames):
        ...     return frames[:, 0, 0]
        >>> loss, scores = critic_loss(score, -batch["frames"], batch, objective=SignObjective())
        >>> loss.item(), scores["critic/real"].item()
        (1.0, 0.5)
    """
    real, fake = score(batch["frames"]), score(made)
    losses = hinge_critic(real, fake)
    if objective.gradient_penalty:
        losses = losses + objective.gradient_penalty * gradient_penalty(score, batch["frames"])
    mask = batch["example_mask"]
    return masked_mean(losses, mask), {"critic/real": masked_mean(real, mask), "critic/made": masked_mean(fake, mask)}


def generator_loss(
    made: Generated,
    batch: Batch,
    *,
    objective: SignObjective,
    weights: Weights,
    lengths: LengthBins,
    score: Score | None,
) -> tuple[Float[Array, ""], Metrics]:
    """Returns what the generator minimises, and each of its terms by name.

    Args:
        made: What it made of the texts.
        batch: Holds the real clips.
        objective: Which losses count.
        weights: How much they count at this step.
        lengths: Lengths that the length head chooses from.
        score: The critic; None where there is none.

    Example:
        >>> import jax
        >>> from jaxmm import SignText
        >>> batch, objective = jax.tree.map(jnp.asarray, SignText(max_frames=12).blank_batch()), SignObjective()
        >>> made = Generated(frames=jnp.ones((1, 12, 540)), length_logits=jnp.zeros((1, 96)),
        ...                  detected_logits=jnp.zeros((1, 12, 0)))
        >>> weights, lengths = objective.weights(jnp.int32(0), steps_per_epoch=1), LengthBins()
        >>> loss, terms = generator_loss(made, batch, objective=objective, weights=weights, lengths=lengths, score=None)
        >>> sorted(terms)
        ['acceleration', 'geometry', 'length', 'position', 'reconstruction', 'velocity']
    """
    mask, terms = batch["example_mask"], {}
    terms["reconstruction"], motion = objective.motion_loss(made.frames, batch["frames"], feature_mask(batch))
    restored = made.frames * batch["std"][:, None] + batch["mean"][:, None]
    terms["geometry"] = objective.geometry_loss(
        restored[:, :, HOLISTIC.position_features],
        batch["landmark_mask"] & mask[:, None, None],
        objective.bone_indices(HOLISTIC.landmarks),
    )
    nearest = lengths.nearest(batch["frame_mask"].sum(axis=1))
    surprise = optax.softmax_cross_entropy_with_integer_labels(made.length_logits, nearest)
    terms["length"] = masked_mean(surprise, mask)
    total = weights.reconstruction * terms["reconstruction"] + weights.geometry * terms["geometry"]
    total = total + objective.length * terms["length"]
    if made.detected_logits.shape[-1]:
        seen = batch["landmark_mask"].astype(jnp.float32)
        errors = optax.sigmoid_binary_cross_entropy(made.detected_logits, seen).mean(axis=-1)
        terms["detection"] = masked_mean(errors, batch["frame_mask"] & mask[:, None])
        total = total + objective.detection * terms["detection"]
    if score is not None:
        terms["adversarial"] = masked_mean(hinge_generator(score(made.frames)), mask)
        total = total + weights.adversarial * terms["adversarial"]
    return total, {**terms, **motion}


def feature_mask(batch: Batch) -> Bool[Array, "batch time dim"]:
    """Returns which numbers of the real clips are known: of valid frames, the detected landmarks (D4).

    Example:
        >>> import jax
        >>> from jaxmm import SignText
        >>> feature_mask(jax.tree.map(jnp.asarray, SignText(max_frames=3).blank_batch())).shape
        (1, 3, 540)
    """
    known = batch["landmark_mask"] & (batch["frame_mask"] & batch["example_mask"][:, None])[..., None]
    return known[..., HOLISTIC.landmark_of_feature]
