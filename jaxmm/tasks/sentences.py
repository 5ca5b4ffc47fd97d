"""Sentence embeddings: how near texts are in meaning, by a pretrained language model alone."""

from collections.abc import Sequence
from typing import cast

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Float32

from jaxmm.data.text import CaptionTokenizer
from jaxmm.encoders.clip import ClipText
from jaxmm.encoders.text import TransformerText, pool
from jaxmm.hub import find_checkpoint
from jaxmm.typing import Batch, Params
from jaxmm.weights import load_backbone, load_clip, read_backbone, read_clip
from jaxmm.weights.clip import clip_shapes
from jaxmm.weights.files import read_config

_BATCH = 32
_LONGEST = 128


class SentenceEncoder:
    """Texts to unit-norm vectors whose inner product is the similarity of their meaning.

    The mean of the token states of a checkpoint as it was published, or of CLIP the features of its text tower, which
    lie in the space of its images. It is read anew rather than taken from a run,
    whose training may have moved it: what counts as similar must not depend on the model under evaluation.

    Args:
        backbone: Text backbone.
        params: Its parameters.
        tokenizer: Its tokenizer.

    Example:
        >>> import jax
        >>> backbone = TransformerText(vocab_size=20, dim=8, num_layers=1, num_heads=2, feedforward_dim=8)
        >>> tokenizer = CaptionTokenizer.of_words(["a walk", "a run"], max_tokens=8)
        >>> token_ids, token_mask = map(jnp.asarray, tokenizer(["a walk"]))
        >>> params = backbone.init(jax.random.key(0), token_ids, token_mask, deterministic=True)["params"]
        >>> vectors = SentenceEncoder(backbone, params, tokenizer)(["a walk", "a run", "a walk"])
        >>> vectors.shape, float((vectors[0] @ vectors[2]).round(4))
        ((3, 8), 1.0)

    Reference: Sentence-BERT, arXiv:1908.10084, mean pooling; CLIP, arXiv:2103.00020.
    """

    def __init__(self, backbone: TransformerText | ClipText, params: Params, tokenizer: CaptionTokenizer) -> None:
        self._backbone = backbone
        self._params = params
        self._tokenizer = tokenizer

    @classmethod
    def read(cls, reference: str, *, revision: str | None = None) -> "SentenceEncoder":
        """Reads a checkpoint.

        Args:
            reference: A folder, a hub id or an installed package, as `jaxmm.hub.find_checkpoint` names them.
            revision: Revision of a hub checkpoint; the newest by default.

        Raises:
            WeightsError: If the checkpoint cannot be found, or is of no known family.
            DataError: If it has no tokenizer.
        """
        folder = find_checkpoint(reference, revision=revision)
        if read_config(folder).get("model_type") == "clip":
            clip = read_clip(folder)
            backbone, params = clip.text, load_clip(folder, clip.text, clip_shapes(clip)["text"])
        else:
            backbone = read_backbone(folder)
            params = load_backbone(folder, backbone)
        tokenizer = CaptionTokenizer.read(folder, max_tokens=min(_LONGEST, backbone.max_tokens))
        return cls(backbone, params, tokenizer)

    def __call__(self, texts: Sequence[str]) -> Float32[np.ndarray, "texts dim"]:
        """Embeds texts; tokens beyond 128 are cut."""
        num_tokens = self._tokenizer.num_tokens(texts)
        filled = [*texts, *[""] * (-len(texts) % _BATCH)]
        batches = []
        for start in range(0, len(filled), _BATCH):
            token_ids, token_mask = self._tokenizer(filled[start : start + _BATCH], num_tokens=num_tokens)
            batches.append({"token_ids": token_ids, "token_mask": token_mask})
        with jax.default_matmul_precision("highest"):
            embed = jax.jit(self._embed)
            return np.concatenate([np.asarray(embed(self._params, batch)) for batch in batches])[: len(texts)]

    def _embed(self, params: Params, batch: Batch) -> Float[Array, "batch dim"]:
        variables = {"params": params}
        states = self._backbone.apply(variables, batch["token_ids"], batch["token_mask"], deterministic=True)
        vectors = cast(Array, states)
        if isinstance(self._backbone, TransformerText):
            vectors = pool(vectors, batch["token_mask"], "mean")
        return vectors / jnp.maximum(jnp.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12)
