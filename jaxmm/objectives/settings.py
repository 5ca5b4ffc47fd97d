"""Contrastive objectives as settings."""

import dataclasses
import math
from typing import Literal

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from jaxmm.errors import ConfigError
from jaxmm.objectives.contrastive import nt_xent, pairwise_sigmoid, symmetric_infonce
from jaxmm.typing import Metrics, Params


@dataclasses.dataclass(frozen=True, kw_only=True)
class Contrastive:
    """How the pairs of a batch are told from each other.

    Attributes:
        kind: `infonce` tells each from the other modality's, `nt_xent` from both modalities', `sigmoid` judges every
            pair on its own, as SigLIP does.
        temperature: Divides similarities, > 0; where it is learnt, its first value.
        learnable: Whether the temperature, and with `sigmoid` the bias, are parameters.
        temperature_range: Least and largest temperature that may be learnt; CLIP's by default.
        bias: Added to the similarities of `sigmoid`; where it is learnt, its first value.
        false_negatives: What becomes of pairs that belong together but are not each other's: `keep` takes them for
            negatives, `mask` leaves them out, `multi_positive` makes them targets.
        found_by: How they are found: `same_caption` by equal tokens, `similar_caption` by the cosine of the text
            backbone's pooled states. Sentence encoders tell captions apart so; the states of DistilBERT, which are
            alike for any two sentences, do not.
        similarity_threshold: Least cosine of similar captions, in (-1, 1].
        chunk_size: Rows of the batch x batch similarities of `infonce` that exist at a time; must divide the batch.
            None holds them all.

    Raises:
        ConfigError: If a number is out of its range, or a field is set that the others leave without effect.

    Example:
        >>> losses, metrics = Contrastive().losses({}, jnp.eye(2), jnp.eye(2), example_mask=jnp.ones(2, bool))
        >>> losses.shape, metrics
        ((2,), {})
        >>> sorted(Contrastive(kind="sigmoid", temperature=0.1, learnable=True).init_params())
        ['bias', 'log_temperature']

    Reference: CLIP, arXiv:2103.00020; SimCLR, arXiv:2002.05709; SigLIP, arXiv:2303.15343.
    """

    kind: Literal["infonce", "nt_xent", "sigmoid"] = "infonce"
    temperature: float = 0.07
    learnable: bool = False
    temperature_range: tuple[float, float] = (0.01, 1.0)
    bias: float = -10.0
    false_negatives: Literal["keep", "mask", "multi_positive"] = "keep"
    found_by: Literal["same_caption", "similar_caption"] = "same_caption"
    similarity_threshold: float = 0.8
    chunk_size: int | None = None

    def __post_init__(self) -> None:
        least, largest = self.temperature_range
        if not self.temperature > 0:
            raise ConfigError(f"objective.temperature is {self.temperature}; give a value above zero")
        if not 0 < least < largest:
            raise ConfigError(f"objective.temperature_range is {self.temperature_range}; give 0 < least < largest")
        if self.learnable and not least <= self.temperature <= largest:
            raise ConfigError(
                f"objective.temperature is {self.temperature}, outside objective.temperature_range "
                f"{self.temperature_range}; change either"
            )
        if not -1 < self.similarity_threshold <= 1:
            raise ConfigError(
                f"objective.similarity_threshold is {self.similarity_threshold}; give a cosine above -1, at most 1"
            )
        if self.chunk_size is not None and self.chunk_size < 1:
            raise ConfigError(f"objective.chunk_size is {self.chunk_size}; give 1 or more, or None")
        self._check_effective()

    def _check_effective(self) -> None:
        needs = {
            "temperature_range": ("learnable", (True,)),
            "bias": ("kind", ("sigmoid",)),
            "found_by": ("false_negatives", ("mask", "multi_positive")),
            "similarity_threshold": ("found_by", ("similar_caption",)),
            "chunk_size": ("kind", ("infonce",)),
        }
        defaults = {field.name: field.default for field in dataclasses.fields(self)}
        for name, (other, values) in needs.items():
            if getattr(self, name) != defaults[name] and getattr(self, other) not in values:
                raise ConfigError(
                    f"objective.{name} has no effect while objective.{other} is {getattr(self, other)!r}; "
                    f"leave it out, or set {other} to {' or '.join(str(value) for value in values)}"
                )

    @property
    def compares(self) -> Literal["nothing", "same_caption", "similar_caption"]:
        """How false negatives are found, or that they are kept."""
        return "nothing" if self.false_negatives == "keep" else self.found_by

    def init_params(self) -> Params:
        """Returns the parameters before training; none where nothing is learnt."""
        if not self.learnable:
            return {}
        params = {"log_temperature": jnp.float32(math.log(self.temperature))}
        return {**params, "bias": jnp.float32(self.bias)} if self.kind == "sigmoid" else params

    def ranges(self) -> dict[str, tuple[float, float]]:
        """Returns the range of each parameter that has one."""
        least, largest = self.temperature_range
        return {"log_temperature": (math.log(least), math.log(largest))} if self.learnable else {}

    def losses(
        self,
        params: Params,
        a: Float[Array, "batch dim"],
        b: Float[Array, "batch dim"],
        *,
        example_mask: Bool[Array, "batch"],
        positives: Bool[Array, "batch batch"] | None = None,
    ) -> tuple[Float[Array, "batch"], Metrics]:
        """Returns one loss per pair, and what has been learnt.

        Args:
            params: As `init_params` made them.
            a: Unit-norm embeddings.
            b: Unit-norm embeddings, in the order of `a`.
            example_mask: False for rows that only fill the batch.
            positives: True where rows belong together; nothing is left out or added where it is None.
        """
        temperature = jnp.exp(params["log_temperature"]) if self.learnable else self.temperature
        multi = self.false_negatives == "multi_positive"
        shown = {"temperature": temperature} if self.learnable else {}
        if self.kind == "infonce":
            losses = symmetric_infonce(
                a,
                b,
                temperature=temperature,
                example_mask=example_mask,
                positives=positives,
                multi_positive=multi,
                chunk_size=self.chunk_size,
            )
        elif self.kind == "nt_xent":
            losses = nt_xent(
                a, b, temperature=temperature, example_mask=example_mask, positives=positives, multi_positive=multi
            )
        else:
            bias = params["bias"] if self.learnable else self.bias
            shown = {**shown, "bias": bias} if self.learnable else shown
            losses = pairwise_sigmoid(
                a,
                b,
                temperature=temperature,
                bias=bias,
                example_mask=example_mask,
                positives=positives,
                multi_positive=multi,
            )
        return losses, shown
