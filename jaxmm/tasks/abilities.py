"""What tasks can do once they are trained, each a protocol by which the layers of use tell systems apart."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Array, Bool, Float

from jaxmm.generators.sign import SignGenerator
from jaxmm.horizon import Horizon
from jaxmm.numerics import Numerics
from jaxmm.tasks.base import EmbedRows
from jaxmm.typing import Batch, Collections, Params


class _Computes(Protocol):
    @property
    def numerics(self) -> Numerics:
        """Precision of the products."""
        ...


@runtime_checkable
class Embeds(_Computes, Protocol):
    """A task whose towers embed motions and texts into one space."""

    def embed_motion(self, params: Params, collections: Collections, batch: Batch) -> Float[Array, "batch dim"]:
        """Embeds `motion` under `motion_mask`, without dropout."""
        ...

    def embed_text(self, params: Params, collections: Collections, batch: Batch) -> Float[Array, "batch dim"]:
        """Embeds `token_ids` under `token_mask`, without dropout."""
        ...


@runtime_checkable
class Generates(_Computes, Protocol):
    """A task that makes clips of signing from texts."""

    @property
    def generator(self) -> SignGenerator:
        """What makes the clips: it knows their noise, their longest length and the signers."""
        ...

    def generate(self, params: Params, collections: Collections, batch: Batch) -> Mapping[str, Array]:
        """Makes a clip for each text; see `jaxmm.tasks.sign_task.SignTask.generate`."""
        ...


@runtime_checkable
class Encodes(_Computes, Protocol):
    """A task whose codes of signing tell how much of it looks real."""

    def encode(
        self, params: Params, collections: Collections, batch: Batch
    ) -> tuple[Float[Array, "batch codes code_dim"], Bool[Array, "batch codes"]]:
        """Returns codes of stretches of `frames` under `frame_mask`, and which of them are of valid frames."""
        ...

    def reconstruct(self, params: Params, collections: Collections, batch: Batch) -> Float[Array, "batch time dim"]:
        """Returns `frames` as their codes tell them, normalised."""
        ...


@runtime_checkable
class AnswersFrames(_Computes, Protocol):
    """A task that answers every frame of a video, by features or by preferences for labels."""

    @property
    def context(self) -> tuple[int, int]:
        """Frames before and after one that its answer depends on."""
        ...

    def answer(self, params: Params, collections: Collections, batch: Batch) -> Float[Array, "batch time out"]:
        """Answers the frames of `features` under `frame_mask`."""
        ...

    def answer_next(
        self, params: Params, collections: Collections, batch: Batch, stream: Collections | None
    ) -> tuple[Float[Array, "batch time out"], Collections]:
        """Answers the next frames of a stream, and returns its state after them, as `FrameTask.answer_next` says."""
        ...


@runtime_checkable
class Aligns(AnswersFrames, Protocol):
    """A task whose answers are features, to be compared with embeddings of labels' descriptions."""

    def embeddings(self, collections: Collections) -> Float[Array, "labels out"]:
        """Returns the embeddings of the labels of training."""
        ...


@runtime_checkable
class Classifies(_Computes, Protocol):
    """A task that tells which class a video shows, by a classifier and, where it has them, by prompts."""

    @property
    def semantics(self) -> object | None:
        """Where the embeddings of prompts come from; None has none."""
        ...

    def trains_backbone(self, params: Params, horizon: Horizon) -> bool:
        """Tells whether what sees the frames changes in a run, or its stage."""
        ...

    def features_of(self, videos: Any, split: str, embed: EmbedRows) -> Callable[[Batch], Batch] | None:
        """Sees all frames of a split once, and returns what puts their features into a batch."""
        ...

    def class_embeddings(self, vocabulary: Any) -> np.ndarray:
        """Returns the embedding of each class of a vocabulary by its prompts; see `compare`."""
        ...

    def see(self, params: Params, collections: Collections, batch: Batch) -> Float[Array, "batch time dim"]:
        """Returns the features of `frames`, of which none depends on another frame."""
        ...

    def classify(self, params: Params, collections: Collections, batch: Batch) -> Float[Array, "batch classes"]:
        """Returns the logits of the classifier for `frames`, or their `features`, under `frame_mask`."""
        ...

    def compare(self, params: Params, collections: Collections, batch: Batch) -> Float[Array, "batch classes"]:
        """Returns the scaled similarity of each video to the prompts of every class, `classes/embeddings`."""
        ...


@runtime_checkable
class Compares(_Computes, Protocol):
    """A task that embeds videos and tells of pairs of embeddings how alike their videos are."""

    @property
    def embedding_dim(self) -> int:
        """Width of the embeddings."""
        ...

    def trains_backbone(self, params: Params, horizon: Horizon) -> bool:
        """Tells whether what sees the frames changes in a run, or its stage."""
        ...

    def features_of(self, videos: Any, split: str, embed: EmbedRows) -> Callable[[Batch], Batch] | None:
        """Sees all frames of a split once, and returns what puts their features into a batch."""
        ...

    def embed_video(self, params: Params, collections: Collections, batch: Batch) -> Float[Array, "batch embedding"]:
        """Returns the embedding of each video, of its `features` where the batch has them, or of its `frames`."""
        ...

    def compare_pairs(
        self, params: Params, a: Float[Array, "pairs embedding"], b: Float[Array, "pairs embedding"]
    ) -> Float[Array, "pairs"]:
        """Returns the logit of each pair of embeddings: the higher, the more alike."""
        ...
