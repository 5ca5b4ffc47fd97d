"""The generator of signing: all frames at once from text and noise."""

from typing import Literal, NamedTuple, TypeAlias

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from jaxmm.encoders.layers import layer_norm, uniform_dense
from jaxmm.encoders.transformer import Attention
from jaxmm.errors import ConfigError
from jaxmm.generators.lengths import LengthBins, LengthHead

NoiseKind: TypeAlias = Literal["sequence", "frame"]
"""Whether a clip has one vector of noise, or each of its frames one."""

_SLOWEST_WAVES = 0.5  # of the sinusoids that tell the share of the clip gone by: half a wave over the clip


class Generated(NamedTuple):
    """What the generator makes of a batch of texts; frames beyond the length mean nothing."""

    frames: Float[Array, "batch time dim"]
    length_logits: Float[Array, "batch bins"]
    detected_logits: Float[Array, "batch time landmarks"]


class SignGenerator(nn.Module):
    """Makes all frames of a clip at once: each asks the text, and by default the other frames.

    The defaults are the corrected design (D9): one vector of noise a clip, attention between frames, and each frame
    knows which share of the clip has gone by. `seed_compatible` has neither.

    Attributes:
        frame_dim: Numbers of a frame.
        hidden_dim: Width of a frame's state and of a text's token states; a multiple of `num_heads`.
        num_layers: Blocks.
        num_heads: Heads of each attention.
        noise_dim: Width of the noise.
        noise: Whether a clip has one vector of noise, or each of its frames one.
        self_attention: Whether frames ask each other in each block.
        progress_dim: Sinusoids that tell each frame the share of the clip gone by; 0 tells nothing.
        num_landmarks: Landmarks of which is told, frame by frame, whether they are in sight; 0 tells nothing.
        num_signers: Signers, or sign languages, that a clip can be asked of by number; 0 knows none.
        max_frames: Longest clip.
        lengths: Lengths that the length head chooses from.

    Raises:
        ConfigError: If `hidden_dim` is not a multiple of `num_heads`, or the noise has another shape.

    Example:
        >>> generator = SignGenerator(frame_dim=12, hidden_dim=8, num_layers=1, num_heads=2, max_frames=6)
        >>> text, text_mask = jnp.ones((2, 3, 8)), jnp.ones((2, 3), bool)
        >>> frame_mask = jnp.arange(6)[None] < jnp.array([[6], [4]])
        >>> noise, signer = generator.draw_noise(jax.random.key(0), batch=2), jnp.zeros(2, int)
        >>> made, _ = generator.init_with_output(jax.random.key(1), text, text_mask, frame_mask, noise, signer)
        >>> made.frames.shape, made.length_logits.shape
        ((2, 6, 12), (2, 96))

    Reference: seed 004, `Generator`, with the decisions of its specification.
    """

    frame_dim: int = 540
    hidden_dim: int = 256
    num_layers: int = 4
    num_heads: int = 4
    noise_dim: int = 64
    noise: NoiseKind = "sequence"
    self_attention: bool = True
    progress_dim: int = 32
    num_landmarks: int = 169
    num_signers: int = 0
    max_frames: int = 128
    lengths: LengthBins = LengthBins()

    @classmethod
    def seed_compatible(cls) -> "SignGenerator":
        """Returns the seed's generator, in which frames do not know of each other: 3,635,068 parameters.

        Example:
            >>> SignGenerator.seed_compatible().noise
            'frame'
        """
        return cls(noise="frame", self_attention=False, progress_dim=0, num_landmarks=0)

    def draw_noise(self, key: PRNGKeyArray, *, batch: int) -> Float[Array, "batch steps noise_dim"]:
        """Returns normal noise for a batch, of one step a clip or one a frame."""
        steps = 1 if self.noise == "sequence" else self.max_frames
        return jax.random.normal(key, (batch, steps, self.noise_dim))

    @nn.compact
    def __call__(
        self,
        text: Float[Array, "batch tokens hidden_dim"],
        text_mask: Bool[Array, "batch tokens"],
        frame_mask: Bool[Array, "batch time"],
        noise: Float[Array, "batch steps noise_dim"],
        signer: Int[Array, "batch"],
    ) -> Generated:
        """Generates clips.

        Args:
            text: Token states; the first token stands for the whole text.
            text_mask: True where a token is valid.
            frame_mask: True for the frames of the clip, of at most `max_frames`; the others are attended to by none.
            noise: What `draw_noise` returns.
            signer: Number of the signer, from 0; not read when `num_signers` is 0.
        """
        batch, num_frames = frame_mask.shape
        if noise.shape != (batch, 1 if self.noise == "sequence" else num_frames, self.noise_dim):
            raise ConfigError(f"noise of shape {noise.shape} for {num_frames} frames; draw it with draw_noise")
        pooled = text[:, 0]
        state = self._start(pooled, frame_mask, noise, signer)
        for layer in range(self.num_layers):
            block = _Block(num_heads=self.num_heads, self_attention=self.self_attention, name=f"layer_{layer}")
            state = block(state, frame_mask, text, text_mask)
        state = layer_norm(1e-5, name="norm")(state)
        return Generated(
            frames=uniform_dense(self.frame_dim, fan_in=self.hidden_dim, name="out")(state),
            length_logits=LengthHead(num_bins=self.lengths.count, name="length")(pooled),
            detected_logits=(
                uniform_dense(self.num_landmarks, fan_in=self.hidden_dim, name="detected")(state)
                if self.num_landmarks
                else jnp.zeros((batch, num_frames, 0))
            ),
        )

    def _start(self, pooled: Array, frame_mask: Array, noise: Array, signer: Array) -> Array:
        """Returns each frame's state before it asks anything: style, place in time and text (D1)."""
        shape = (*frame_mask.shape, self.hidden_dim)
        style = uniform_dense(self.hidden_dim, fan_in=self.noise_dim, name="style")(noise.astype(pooled.dtype))
        time = nn.Embed(self.max_frames, self.hidden_dim, embedding_init=nn.initializers.normal(1.0), name="time")
        seen = [style, time(jnp.arange(shape[1]))[None], pooled[:, None]]
        if self.num_signers:
            signers = nn.Embed(
                self.num_signers, self.hidden_dim, embedding_init=nn.initializers.normal(1.0), name="signer"
            )
            seen.append(signers(signer)[:, None])
        if self.progress_dim:
            seen.append(_progress(frame_mask, self.progress_dim).astype(pooled.dtype))
        seen = [jnp.broadcast_to(part, (*shape[:2], part.shape[-1])) for part in seen]
        inputs = jnp.concatenate(seen, axis=-1)
        return uniform_dense(self.hidden_dim, fan_in=inputs.shape[-1], name="inputs")(inputs)


class _Block(nn.Module):
    """Frames ask each other, then the text, then a feed-forward network changes each."""

    num_heads: int
    self_attention: bool

    @nn.compact
    def __call__(self, state: Array, frame_mask: Array, text: Array, text_mask: Array) -> Array:
        dim = state.shape[-1]
        if self.self_attention:
            asked = Attention(self.num_heads, name="self_attention")(state, state, frame_mask, deterministic=True)
            state = layer_norm(1e-5, name="self_attention_norm")(state + asked)
        asked = Attention(self.num_heads, name="text_attention")(state, text, text_mask, deterministic=True)
        state = layer_norm(1e-5, name="text_attention_norm")(state + asked)
        normed = layer_norm(1e-5, name="feedforward_norm")(state)
        widened = uniform_dense(4 * dim, fan_in=dim, name="feedforward_in")(normed)
        return state + uniform_dense(dim, fan_in=4 * dim, name="feedforward_out")(nn.gelu(widened, approximate=False))


def _progress(frame_mask: Bool[Array, "batch time"], dim: int) -> Float[Array, "batch time dim"]:
    """Returns sines and cosines of the share of the clip gone by at each frame, from slow waves to fast ones."""
    last = jnp.maximum(frame_mask.sum(axis=1, keepdims=True) - 1, 1)
    share = jnp.arange(frame_mask.shape[1])[None] / last
    waves = _SLOWEST_WAVES * 2.0 ** (jnp.arange(-(-dim // 2)) * 6 / max(1, dim // 2 - 1))
    angles = 2 * jnp.pi * share[..., None] * waves[None, None]
    return jnp.concatenate([jnp.sin(angles), jnp.cos(angles)], axis=-1)[..., :dim]
