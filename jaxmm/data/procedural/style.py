"""How one take differs from another: proportions, tempo, posture, and smooth noise."""

import dataclasses

import numpy as np
from jaxtyping import Float

from jaxmm.data.procedural.curves import WAVE_HERTZ, smooth_noise
from jaxmm.data.procedural.figure import Body

# Noise per channel, standard deviation in radians or metres: pelvis, spine, head (pitch, yaw, roll), both arms
# (ahead, outward, twist, bend), and the place of the hips (x, z).
_NOISE_PELVIS, _NOISE_SPINE, _NOISE_HEAD = (0.012, 0.02, 0.012), (0.02, 0.03, 0.015), (0.04, 0.07, 0.03)
_NOISE_ARM, _NOISE_PLACE = (0.04, 0.03, 0.05, 0.06), (0.006, 0.006)
_NOISE_SCALE = np.array([*_NOISE_PELVIS, *_NOISE_SPINE, *_NOISE_HEAD, *_NOISE_ARM, *_NOISE_ARM, *_NOISE_PLACE])


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Style:
    """One performer on one take.

    Attributes:
        body: Proportions.
        lead: Foot that steps first where the action leaves it open: 0 left, 1 right.
        tempo: Factor on speed.
        amplitude: Factor on gestures and strides.
        stance: Half the distance between the feet in metres.
        toe_out: Angle of the feet away from straight ahead in radians.
        posture: Standing pitch, yaw and roll of the spine in radians.
        arm_rest: What the hanging arms add to their rest: ahead, outward, turn, bend, for both sides; in radians.
        phase: Point of the stride, from 0 to 1, at which a clip of steady walking begins.
        heading: Where the figure faces at first, in radians.
        place: Where it stands at first, x and z in metres.
        waves: Amplitude, frequency in Hz and phase of the noise of each channel.

    Example:
        >>> Style.draw(np.random.default_rng(0)).lead in (0, 1)
        True
    """

    body: Body
    lead: int
    tempo: float
    amplitude: float
    stance: float
    toe_out: float
    posture: Float[np.ndarray, "3"]
    arm_rest: Float[np.ndarray, "2 4"]
    phase: float
    heading: float
    place: Float[np.ndarray, "2"]
    waves: Float[np.ndarray, "3 channels waves"]

    @classmethod
    def neutral(cls, *, lead: int = 0) -> "Style":
        """Returns the style without noise, in which a mirrored combination gives the mirrored motion."""
        return cls(
            body=Body.proportioned(stature=1.0),
            lead=lead,
            tempo=1.0,
            amplitude=1.0,
            stance=0.1,
            toe_out=0.12,
            posture=np.zeros(3),
            arm_rest=np.zeros((2, 4)),
            phase=0.0,
            heading=0.0,
            place=np.zeros(2),
            waves=np.zeros((3, len(_NOISE_SCALE), len(WAVE_HERTZ))),
        )

    @classmethod
    def draw(cls, generator: np.random.Generator) -> "Style":
        """Draws a style."""
        stature, legs, trunk, head, shoulders, arms = generator.uniform(-1.0, 1.0, 6)
        body = Body.proportioned(
            stature=1.0 + 0.05 * stature,
            legs=1.0 + 0.03 * legs,
            trunk=1.0 + 0.03 * trunk,
            head=1.0 + 0.03 * head,
            shoulders=1.0 + 0.03 * shoulders,
            arms=1.0 + 0.03 * arms,
        )
        shape = (len(_NOISE_SCALE), len(WAVE_HERTZ))
        amplitudes = _NOISE_SCALE[:, None] * generator.normal(size=shape) * np.array([1.0, 0.6, 0.3])
        frequencies = generator.uniform(0.7, 1.3, shape) * WAVE_HERTZ
        return cls(
            body=body,
            lead=int(generator.integers(2)),
            tempo=float(generator.uniform(0.96, 1.05)),
            amplitude=float(generator.uniform(0.9, 1.06)),
            stance=float(generator.uniform(0.085, 0.12)),
            toe_out=float(generator.uniform(0.04, 0.22)),
            posture=generator.normal(size=3) * np.array([0.05, 0.03, 0.015]),
            arm_rest=generator.normal(size=(2, 4)) * np.array([0.04, 0.03, 0.1, 0.08]),
            phase=float(generator.uniform()),
            heading=float(generator.uniform(-0.2, 0.2)),
            place=generator.uniform(-0.3, 0.3, 2),
            waves=np.stack([amplitudes, frequencies, generator.uniform(0.0, 2.0 * np.pi, shape)]),
        )

    def noise(self, time: Float[np.ndarray, "time"]) -> Float[np.ndarray, "time channels"]:
        """Returns the smooth noise of every channel at the given times in seconds.

        Example:
            >>> Style.neutral().noise(np.zeros(4)).shape
            (4, 19)
        """
        return smooth_noise(time, self.waves)
