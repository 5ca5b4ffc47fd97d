"""How one signer differs from another: proportions, handedness, tempo, and size of movements."""

import dataclasses

import numpy as np

from jaxmm.errors import ConfigError

_LEFT_HANDED_RATE = 0.25


@dataclasses.dataclass(frozen=True, kw_only=True)
class Signer:
    """One synthetic signer; lengths in widths of the shoulders.

    Attributes:
        name: Such as `signer3`.
        left_handed: Whether the left hand leads; all signing is then mirrored.
        tempo: Factor on speed.
        amplitude: Factor on movements.
        upper_arm: From shoulder to elbow.
        forearm: From elbow to wrist.
        hand: Factor on the size of the hands.
        head: Factor on the size of the head.
        trunk: From the shoulders down to the hips.
        hips: Half the distance between the hips.
        leg: Length of thigh and of shin.

    Example:
        >>> Signer().left_handed, Signer.draw(seed=0, index=3).name
        (False, 'signer3')
    """

    name: str = "neutral"
    left_handed: bool = False
    tempo: float = 1.0
    amplitude: float = 1.0
    upper_arm: float = 0.84
    forearm: float = 0.74
    hand: float = 1.0
    head: float = 1.0
    trunk: float = 1.44
    hips: float = 0.33
    leg: float = 1.16

    @classmethod
    def draw(cls, *, seed: int, index: int) -> "Signer":
        """Draws a signer, the same in every process.

        Args:
            seed: Seed of the source, >= 0.
            index: Number of the signer, >= 0.

        Raises:
            ConfigError: If a number is negative.
        """
        if seed < 0 or index < 0:
            raise ConfigError(f"procedural signing: seed={seed}, signer {index}; give numbers >= 0")
        generator = np.random.Generator(np.random.PCG64([seed, index, 1]))
        tempo, amplitude, upper_arm, forearm, hand, head, trunk, hips, leg = generator.uniform(-1.0, 1.0, 9)
        return cls(
            name=f"signer{index}",
            left_handed=bool(generator.random() < _LEFT_HANDED_RATE),
            tempo=1.02 + 0.1 * tempo,
            amplitude=1.0 + 0.15 * amplitude,
            upper_arm=0.84 + 0.04 * upper_arm,
            forearm=0.74 + 0.04 * forearm,
            hand=1.0 + 0.06 * hand,
            head=1.0 + 0.05 * head,
            trunk=1.44 + 0.08 * trunk,
            hips=0.33 + 0.03 * hips,
            leg=1.16 + 0.06 * leg,
        )
