"""What generated signing is trained by, as settings: which losses count, how much, and from when on."""

import dataclasses
from typing import Literal, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int32

from jaxmm.errors import ConfigError
from jaxmm.objectives.geometry import bone_ends, bone_length_spread, bone_length_variance
from jaxmm.objectives.reduce import masked_mean
from jaxmm.objectives.regression import motion_errors
from jaxmm.typing import Metrics

SEED_BONES = (
    ("body/LEFT_SHOULDER", "body/RIGHT_SHOULDER"),
    ("body/LEFT_HIP", "body/RIGHT_HIP"),
    ("body/LEFT_SHOULDER+body/RIGHT_SHOULDER", "body/LEFT_HIP+body/RIGHT_HIP"),
)
"""The seed's bones: between the shoulders, between the hips, and the spine between the middles of both."""


class Weights(NamedTuple):
    """How much each loss counts at a step."""

    reconstruction: Float[Array, ""]
    geometry: Float[Array, ""]
    adversarial: Float[Array, ""]


@dataclasses.dataclass(frozen=True, kw_only=True)
class SignObjective:
    """Which losses count, how much, and from when on: reconstruction, then geometry, then the critic.

    Attributes:
        reconstruction: Weight of smooth-L1 errors of positions, velocities and accelerations.
        geometry: Weight of bones that change their length.
        adversarial: Weight of the critic's judgement; at 0 there is no critic.
        length: Weight of the cross-entropy of the length.
        detection: Weight of the cross-entropy of which landmarks are in sight, where the generator tells.
        gradient_penalty: Weight of the critic's R1 penalty.
        geometry_from: Epochs before geometry counts.
        adversarial_from: Epochs before the critic is trained and counts.
        ramp_epochs: Epochs over which each of the two then grows to its full weight; 0 is at once.
        bones: Bones by their ends `part/landmark`; two joined by `+` are the middle between them.
        bone_variance: Over what the variance of bones' lengths is taken: over time, so that a rigid body scores zero
            (D7), or over the bones of a frame, as the seed has it.

    Raises:
        ConfigError: If a number is negative, or bones are too few.

    Example:
        >>> weights = SignObjective(adversarial_from=2.0, ramp_epochs=2.0).weights(jnp.int32(30), steps_per_epoch=10)
        >>> [round(float(weight), 2) for weight in weights]
        [1.0, 0.2, 0.5]

    Reference: seed 004, configuration and `recon_losses`, `gan_losses`, `bone_length_consistency`.
    """

    reconstruction: float = 1.0
    geometry: float = 0.2
    adversarial: float = 1.0
    length: float = 1.0
    detection: float = 1.0
    gradient_penalty: float = 0.0
    geometry_from: float = 0.0
    adversarial_from: float = 0.0
    ramp_epochs: float = 0.0
    bones: tuple[tuple[str, str], ...] = SEED_BONES
    bone_variance: Literal["time", "bones"] = "time"

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if isinstance(value, int | float) and not value >= 0:
                raise ConfigError(f"task.objective.{field.name} is {value}; give 0 or more")
        if len(self.bones) < (2 if self.bone_variance == "bones" else 1):
            raise ConfigError(
                f"task.objective.bones names {len(self.bones)}; the variance over {self.bone_variance} needs more"
            )

    def weights(self, step: Array, *, steps_per_epoch: int) -> Weights:
        """Returns how much each loss counts at a step.

        Args:
            step: Updates done.
            steps_per_epoch: Updates in one pass over the training split.
        """
        epoch = step / steps_per_epoch

        def share(start: float) -> Array:
            if self.ramp_epochs:
                return jnp.clip((epoch - start) / self.ramp_epochs, 0, 1)
            return (epoch >= start).astype(jnp.float32)

        return Weights(
            reconstruction=jnp.float32(self.reconstruction),
            geometry=self.geometry * share(self.geometry_from),
            adversarial=self.adversarial * share(self.adversarial_from),
        )

    def bone_indices(self, landmarks: tuple[str, ...]) -> Int32[np.ndarray, "bones 2 2"]:
        """Returns, for each end of each bone, the two landmarks in whose middle it lies.

        Args:
            landmarks: Names of all landmarks.

        Raises:
            ConfigError: If a bone ends in no landmark.

        Example:
            >>> SignObjective(bones=(("a", "a+b"),)).bone_indices(("a", "b")).tolist()
            [[[0, 0], [0, 1]]]
        """
        place = {name: index for index, name in enumerate(landmarks)}

        def middle(end: str) -> list[int]:
            names = end.split("+")
            unknown = [name for name in names if name not in place]
            if unknown or len(names) > 2:
                raise ConfigError(
                    f"task.objective.bones: {end!r} is no end of a bone; name one landmark as part/landmark, or two "
                    "joined by +"
                )
            return [place[names[0]], place[names[-1]]]

        return np.array([[middle(start), middle(end)] for start, end in self.bones], np.int32)

    def motion_loss(
        self,
        made: Float[Array, "batch time dim"],
        real: Float[Array, "batch time dim"],
        mask: Bool[Array, "batch time dim"],
    ) -> tuple[Float[Array, ""], Metrics]:
        """Returns the sum of the mean errors of positions, velocities and accelerations, and each by name.

        Args:
            made: Generated frames.
            real: Real frames.
            mask: True where a number of a frame is known (D4).
        """
        names = ("position", "velocity", "acceleration")
        means = {
            name: masked_mean(errors, valid)
            for name, (errors, valid) in zip(names, motion_errors(made, real, mask), strict=True)
        }
        return sum(means.values(), jnp.float32(0)), means

    def geometry_loss(
        self,
        positions: Float[Array, "batch time landmarks 3"],
        landmark_mask: Bool[Array, "batch time landmarks"],
        bones: Int32[np.ndarray, "bones 2 2"],
    ) -> Float[Array, ""]:
        """Returns the variance of bones' lengths.

        Args:
            positions: Positions in original units.
            landmark_mask: True where a landmark is to be judged.
            bones: What `bone_indices` returned.
        """
        ends, known = bone_ends(positions, bones), landmark_mask[:, :, bones].all(axis=(-2, -1))
        if self.bone_variance == "bones":
            return masked_mean(bone_length_spread(ends), known.all(axis=-1))
        return masked_mean(bone_length_variance(ends, known), known.any(axis=(1, 2)))
