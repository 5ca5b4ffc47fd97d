"""What tasks with a text backbone share: its checkpoint, what of it is frozen, and its tokens."""

import dataclasses
from collections.abc import Callable, Set
from typing import Any, Literal, cast

from jaxtyping import Array, Float

from jaxmm.data.captioned import CaptionedData
from jaxmm.data.dataset import Dataset
from jaxmm.encoders.text import TransformerText
from jaxmm.errors import ConfigError
from jaxmm.horizon import Horizon
from jaxmm.hub import find_checkpoint
from jaxmm.tasks.base import EmbedRows, Task
from jaxmm.tasks.text_features import TextFeatures, keep_frozen_states
from jaxmm.typing import Batch, Collections, Params
from jaxmm.weights import Freeze, HFFlaxBackbone, load_backbone


@dataclasses.dataclass(frozen=True, kw_only=True)
class TextTask(Task):
    """A task with a text backbone, whose parameters are under `text/backbone`.

    Attributes:
        text: Text backbone, ours or one of transformers' own.
        text_weights: Checkpoint of the backbone, as `jaxmm.hub.find_checkpoint` names it; None starts from scratch.
        text_revision: Revision of a hub checkpoint to pin; None takes the newest.
        pooling: Which token states are read: the first one's, the mean over valid ones, or all `tokens`.
        freeze: Which parameters of the backbone never change. What comes before the first trainable one runs without
            dropout; so does a backbone of which only the last tensors train.
        text_cache_mib: Most memory, in MiB, for what the frozen part of the backbone makes of the training captions.
            It is computed once and kept where it fits, and otherwise computed at every step; 0 keeps nothing.

    Example:
        >>> from jaxmm import DanceTextTask
        >>> len(DanceTextTask(freeze=Freeze("everything")).frozen({}))
        100
    """

    text: TransformerText | HFFlaxBackbone = dataclasses.field(default_factory=TransformerText)
    text_weights: str | None = None
    text_revision: str | None = None
    pooling: Literal["first", "mean", "tokens"] = "first"
    freeze: Freeze = dataclasses.field(default_factory=lambda: Freeze("everything"))
    text_cache_mib: int = 1024

    @property
    def text_features(self) -> TextFeatures:
        """What is read of a text."""
        return TextFeatures(backbone=self.text, freeze=self.freeze, pooling=self.pooling)

    @property
    def drops_text(self) -> bool:
        """Tells whether training drops out states of the backbone."""
        return self.freeze.kind in ("nothing", "first_layers")

    def load_pretrained(
        self, params: Params, collections: Collections, data: Dataset[Any]
    ) -> tuple[Params, Collections]:
        """Puts the checkpoint's tensors into the text backbone.

        Raises:
            WeightsError: If the checkpoint cannot be found, or does not fit the backbone.
        """
        params, collections = super().load_pretrained(params, collections, data)
        if self.text_weights is None:
            return params, collections
        folder = find_checkpoint(self.text_weights, revision=self.text_revision)
        return {**params, "text": {**params["text"], "backbone": load_backbone(folder, self.text)}}, collections

    def frozen(self, params: Params) -> Set[str]:
        """Returns the paths that the freeze policy holds still."""
        del params
        trainable = self.freeze.trainable(self.text)
        return {f"text/backbone/{path}" for path in Freeze("nothing").trainable(self.text) - trainable}

    def check_data(self, data: Dataset[Any]) -> None:
        """Refuses data without texts, and a tokenizer whose ids the backbone's table cannot hold.

        Raises:
            ConfigError: If there are no texts, the tokenizer has more ids than the table rows, or texts may be longer
                than positions.
        """
        if not isinstance(data, CaptionedData):
            raise ConfigError(f"data are {type(data.settings).__name__}; {type(self).__name__} learns from texts")
        vocab_size, max_tokens = data.tokenizer.vocab_size, data.settings.max_tokens
        if max_tokens > self.text.max_tokens:
            raise ConfigError(
                f"data.max_tokens is {max_tokens}, but task.text takes {self.text.max_tokens} tokens at most; "
                f"set data.max_tokens to {self.text.max_tokens} or less"
            )
        if vocab_size > self.text.vocab_size:
            raise ConfigError(
                f"the tokenizer has {vocab_size} tokens, but task.text.vocab_size is {self.text.vocab_size}; "
                "take data.tokenizer and task.text_weights from one checkpoint, or raise task.text.vocab_size"
            )

    def frozen_text_states(
        self, params: Params, collections: Collections, batch: Batch
    ) -> Float[Array, "batch *states"]:
        """Returns what the frozen part of the backbone makes of each text; what is read where all of it is frozen."""
        del collections
        return self.text_features.frozen_states(params["text"]["backbone"], batch)

    def precompute(
        self, params: Params, data: Dataset[Any], embed: EmbedRows, horizon: Horizon
    ) -> Callable[[Batch], Batch]:
        """Runs the frozen part of the backbone once for each caption, not at every step; losses are the same."""
        unchanged = super().precompute(params, data, embed, horizon)
        if self.text_features.num_frozen_steps == 0 or self.text_cache_mib == 0:
            return unchanged
        texts = list(cast(CaptionedData[Any], data).training_texts())
        put_in = keep_frozen_states(self.frozen_text_states, params, texts, embed, limit_mib=self.text_cache_mib)
        return put_in or unchanged
