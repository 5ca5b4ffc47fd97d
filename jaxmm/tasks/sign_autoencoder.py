"""An autoencoder of signing, trained to tell real signing by its codes."""

import dataclasses
from typing import Any, cast

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from jaxmm.data.dataset import Dataset
from jaxmm.data.sign.layout import HOLISTIC
from jaxmm.data.sign_text import SignTextData
from jaxmm.encoders.sign_autoencoder import SignAutoencoder
from jaxmm.errors import ConfigError
from jaxmm.tasks.base import Task
from jaxmm.typing import Batch, Collections, Metrics, Params


@dataclasses.dataclass(frozen=True, kw_only=True)
class SignAutoencoderTask(Task):
    """Learns codes of real signing from which it can be told again; generated signing is then judged by its codes.

    Attributes:
        autoencoder: Encoder and decoder.

    Raises:
        ConfigError: If frames have another width than the layout.

    Example:
        >>> import jax
        >>> from jaxmm import SignText
        >>> task = SignAutoencoderTask(autoencoder=SignAutoencoder(hidden_dim=8, code_dim=4))
        >>> batch = SignText(max_frames=12, max_tokens=4).blank_batch()
        >>> sorted(jax.eval_shape(task.init_variables, jax.random.key(0), batch)[0])
        ['autoencoder']

    Reference: the feature space of Yoon et al., arXiv:2009.02119.
    """

    autoencoder: SignAutoencoder = dataclasses.field(default_factory=SignAutoencoder)

    def __post_init__(self) -> None:
        if self.autoencoder.frame_dim != HOLISTIC.dim:
            raise ConfigError(
                f"task.autoencoder.frame_dim is {self.autoencoder.frame_dim}; a frame has {HOLISTIC.dim} numbers"
            )

    def init_variables(self, key: PRNGKeyArray, batch: Batch) -> tuple[Params, Collections]:
        """Returns random parameters."""
        variables = self.autoencoder.init(key, batch["frames"][:1], batch["frame_mask"][:1])
        return {"autoencoder": variables["params"]}, {}

    def check_data(self, data: Dataset[Any]) -> None:
        """Refuses data that are no signing.

        Raises:
            ConfigError: If they are not.
        """
        if not isinstance(data, SignTextData):
            raise ConfigError(f"data are {type(data.settings).__name__}; SignAutoencoderTask learns from SignText")

    def loss(
        self, params: Params, collections: Collections, batch: Batch, key: PRNGKeyArray, *, train: bool
    ) -> tuple[Float[Array, "batch"], tuple[Collections, Metrics]]:
        """Returns each clip's mean squared error over the numbers that were detected."""
        del key, train
        made = self.reconstruct(params, collections, batch)
        known = (batch["landmark_mask"] & batch["frame_mask"][..., None])[..., HOLISTIC.landmark_of_feature]
        missed = made.astype(jnp.float32) - batch["frames"].astype(jnp.float32)
        squares = jnp.where(known, jnp.square(missed), 0).sum(axis=(1, 2))
        return squares / jnp.maximum(known.sum(axis=(1, 2)), 1), (collections, {})

    def reconstruct(self, params: Params, collections: Collections, batch: Batch) -> Float[Array, "batch time dim"]:
        """Returns `frames` as their codes tell them, normalised."""
        del collections
        made = self.autoencoder.apply({"params": params["autoencoder"]}, batch["frames"], batch["frame_mask"])
        return cast(Array, made)

    def encode(
        self, params: Params, collections: Collections, batch: Batch
    ) -> tuple[Float[Array, "batch codes code_dim"], Bool[Array, "batch codes"]]:
        """Returns the codes of `frames` under `frame_mask`, and which of them are of valid frames."""
        del collections
        variables = {"params": params["autoencoder"]}
        return cast(
            tuple[Array, Array],
            self.autoencoder.apply(variables, batch["frames"], batch["frame_mask"], method=self.autoencoder.encode),
        )
