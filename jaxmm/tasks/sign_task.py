"""What tasks that make signing from texts share: the text's states, the generator, and how it generates."""

import dataclasses
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple, cast

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray

from jaxmm import parallel
from jaxmm.data.dataset import Dataset
from jaxmm.data.sign.layout import HOLISTIC
from jaxmm.data.sign_text import SignTextData
from jaxmm.encoders.layers import uniform_dense
from jaxmm.errors import ConfigError
from jaxmm.generators.lengths import LengthHead
from jaxmm.generators.sign import Generated, SignGenerator
from jaxmm.optim import with_moving
from jaxmm.tasks.text_task import TextTask
from jaxmm.typing import Batch, Collections, Params

GENERATING = ("generator", "text")
"""The parts of the parameters that make clips."""


class Made(NamedTuple):
    """What the generator makes of a batch, and the texts' vectors that a conditional critic reads.

    Attributes:
        clips: What the generator makes.
        text: The state of each text's first token.
    """

    clips: Generated
    text: Float[Array, "batch dim"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class SignTask(TextTask):
    """A task with a generator of signing; how it learns is for a subclass to say.

    The text backbone's fields are inherited from `jaxmm.tasks.text_task.TextTask`; all its token states are projected
    to the generator's width, by a trained projection (D8).

    Attributes:
        generator: Makes clips and chooses their lengths.
        ema_decay: Share that the running mean of the generator's parameters, which generates, keeps at a step, in
            [0, 1); 0 keeps no mean.

    Raises:
        ConfigError: If a number is out of its range.

    Example:
        >>> from jaxmm import TransformerText
        >>> tiny = TransformerText(vocab_size=50, dim=8, num_layers=1, num_heads=2, feedforward_dim=16)
        >>> SignTask(text=tiny, generator=SignGenerator(frame_dim=12))
        Traceback (most recent call last):
        jaxmm.errors.ConfigError: task.generator.frame_dim is 12; a frame has 540
    """

    pooling: Literal["first", "mean", "tokens"] = "tokens"
    generator: SignGenerator = dataclasses.field(default_factory=SignGenerator)
    ema_decay: float = 0.999

    def __post_init__(self) -> None:
        if self.pooling != "tokens":
            raise ConfigError(f"task.pooling is {self.pooling!r}, but frames ask every token; leave it at tokens")
        if not 0 <= self.ema_decay < 1:
            raise ConfigError(f"task.ema_decay is {self.ema_decay}; give 0 or more, below 1")
        if self.generator.frame_dim != HOLISTIC.dim:
            raise ConfigError(f"task.generator.frame_dim is {self.generator.frame_dim}; a frame has {HOLISTIC.dim}")
        told, landmarks = self.generator.num_landmarks, len(HOLISTIC.landmarks)
        if told not in (0, landmarks):
            raise ConfigError(f"task.generator.num_landmarks is {told}; set it to {landmarks}, or to 0 to tell of none")

    def init_variables(self, key: PRNGKeyArray, batch: Batch) -> tuple[Params, Collections]:
        """Returns random parameters of the text's part and of the generator."""
        backbone_key, projection_key, generator_key, _ = jax.random.split(key, 4)
        states = jnp.zeros((1, 2, self.text.dim))
        token_mask, frame_mask = jnp.ones((1, 2), bool), jnp.ones((1, self.generator.max_frames), bool)
        projected = jnp.zeros((1, 2, self.generator.hidden_dim))
        noise = self.generator.draw_noise(generator_key, batch=1)
        backbone = self.text.init(backbone_key, batch["token_ids"], batch["token_mask"], deterministic=True)
        generated = self.generator.init(
            generator_key, projected, token_mask, frame_mask, noise, jnp.zeros(1, jnp.int32)
        )
        params = {
            "text": {
                "backbone": backbone["params"],
                "projection": self._projection.init(projection_key, states)["params"],
            },
            "generator": generated["params"],
        }
        return params, {}

    @property
    def _projection(self) -> Any:
        return uniform_dense(self.generator.hidden_dim, fan_in=self.text.dim, name="projection")

    def check_data(self, data: Dataset[Any]) -> None:
        """Refuses data that are no signing, or whose clips, texts or signers the modules cannot take.

        Raises:
            ConfigError: If they do not fit.
        """
        if not isinstance(data, SignTextData):
            raise ConfigError(f"data are {type(data.settings).__name__}; {type(self).__name__} learns from SignText")
        super().check_data(data)
        if data.settings.max_frames != self.generator.max_frames:
            raise ConfigError(
                f"task.generator.max_frames is {self.generator.max_frames}, but data.max_frames "
                f"{data.settings.max_frames}; make them equal"
            )
        if self.generator.num_signers not in (0, len(data.signers)):
            raise ConfigError(
                f"task.generator.num_signers is {self.generator.num_signers}, but the training split has "
                f"{len(data.signers)} signers; set it to {len(data.signers)}, or to 0 to know none"
            )

    def _read(self, params: Params, batch: Batch, key: PRNGKeyArray | None) -> Float[Array, "batch tokens dim"]:
        states = self.text_features(params["text"]["backbone"], batch, key)
        return cast(Array, self._projection.apply({"params": params["text"]["projection"]}, states))

    def _make(self, params: Params, batch: Batch, noise: Array, key: PRNGKeyArray | None) -> Made:
        text = self._read(params, batch, key)
        clips = self.generator.apply(
            {"params": params["generator"]}, text, batch["token_mask"], batch["frame_mask"], noise, batch["signer"]
        )
        made = Made(cast(Generated, clips), text[:, 0])
        return jax.tree.map(lambda made: made.astype(jnp.promote_types(made.dtype, jnp.float32)), made)

    def _noise(self, key: PRNGKeyArray, batch: Batch) -> Float[Array, "batch steps noise_dim"]:
        """Draws the noise of the global batch, and takes this device's rows: the same on any number of devices."""
        rows = parallel.all_rows(batch["example_mask"]).shape[0]
        return parallel.own_rows(self.generator.draw_noise(key, batch=rows))

    def _generating(self, params: Params, collections: Collections) -> Params:
        own = {name: params[name] for name in GENERATING}
        return with_moving(collections["ema"], own) if self.ema_decay else own

    def generate(self, params: Params, collections: Collections, batch: Batch) -> Mapping[str, Array]:
        """Makes a clip for each text, by the running mean of the parameters where there is one.

        Args:
            params: Parameters.
            collections: Their running mean.
            batch: `token_ids`, `token_mask`; `noise`, as `generator.draw_noise` gives it; `signer`, numbers; and
                `length` in frames, 0 where the length head is to choose.

        Returns:
            `frames`, normalised; `frame_mask`, the clip's own; and `landmark_mask`, what is in sight.
        """
        params = self._generating(params, collections)
        text = self._read(params, batch, None)
        length = self._choose_length(params, text[:, 0], batch["length"])
        frame_mask = jnp.arange(self.generator.max_frames)[None] < length[:, None]
        clips = cast(
            Generated,
            self.generator.apply(
                {"params": params["generator"]}, text, batch["token_mask"], frame_mask, batch["noise"], batch["signer"]
            ),
        )
        landmark_mask = jnp.broadcast_to(frame_mask[..., None], (*frame_mask.shape, len(HOLISTIC.landmarks)))
        if self.generator.num_landmarks:
            landmark_mask = landmark_mask & (clips.detected_logits > 0)
        return {"frames": clips.frames, "frame_mask": frame_mask, "landmark_mask": landmark_mask}

    def _choose_length(
        self, params: Params, pooled: Float[Array, "batch dim"], asked: Int[Array, "batch"]
    ) -> Int[Array, "batch"]:
        bins, most = self.generator.lengths, self.generator.max_frames
        logits = LengthHead(num_bins=bins.count).apply({"params": params["generator"]["length"]}, pooled)
        chosen = bins.frames(bins.reachable(cast(Array, logits), max_frames=most).argmax(axis=-1))
        return jnp.minimum(jnp.where(asked > 0, asked, chosen), most)
