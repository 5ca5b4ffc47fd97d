"""What all data of captioned clips share: tokens, and an order of training that can favour rare captions."""

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import grain
import numpy as np
from jaxtyping import Bool, Int32

from jaxmm.data.dataset import Dataset, DataSettings
from jaxmm.data.fingerprint import digest
from jaxmm.data.order import training_order
from jaxmm.data.splits import Split
from jaxmm.data.store import Stored
from jaxmm.data.text import TOKENIZER_FILE, CaptionTokenizer
from jaxmm.errors import ConfigError
from jaxmm.hub import find_checkpoint
from jaxmm.typing import Batch

WORDS = "words"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Captioned(DataSettings):
    """Settings of data whose every clip has one text or more.

    Where files lie and the size of batches are inherited from `jaxmm.data.dataset.DataSettings`.

    Attributes:
        tokenizer: "words" builds a vocabulary from the captions; anything else names a checkpoint as
            `jaxmm.hub.find_checkpoint` does.
        revision: Revision of a hub checkpoint to pin; None takes the newest.
        max_tokens: Longest caption in tokens; longer ones are cut.
        balance: How much oftener training draws clips whose captions are rare, in [0, 1]: a clip of a caption that
            n training clips have is drawn with a probability in proportion to n ** -balance; of several captions,
            the mean counts. At 0 every clip is taken once an epoch.

    Raises:
        ConfigError: If a number is out of its range.

    Example:
        >>> Captioned(max_tokens=0)
        Traceback (most recent call last):
        jaxmm.errors.ConfigError: data.max_tokens is 0; give a value above zero
    """

    asset_files: ClassVar[tuple[str, ...]] = (TOKENIZER_FILE,)

    tokenizer: str = WORDS
    revision: str | None = None
    max_tokens: int = 64
    balance: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.max_tokens > 0:
            raise ConfigError(f"data.max_tokens is {self.max_tokens}; give a value above zero")
        if not 0 <= self.balance <= 1:
            raise ConfigError(f"data.balance is {self.balance}; give a number from 0 to 1")

    def blank_texts(self) -> Batch:
        """Returns the part of `blank_batch` that holds the text.

        Example:
            >>> Captioned(max_tokens=5).blank_texts()["token_ids"].shape
            (1, 5)
        """
        token_ids = np.zeros((1, self.max_tokens), np.int32)
        return {"token_ids": token_ids, "token_mask": token_ids > 0, "example_mask": np.zeros(1, bool)}

    def saved_tokenizer(self, assets: Path) -> CaptionTokenizer:
        """Returns the tokenizer that `open` wrote for a run."""
        return CaptionTokenizer.read(assets, max_tokens=self.max_tokens)

    def new_tokenizer(self, texts: Iterable[str]) -> CaptionTokenizer:
        """Returns the tokenizer that the settings name, or one of the words of the texts.

        Raises:
            WeightsError: If the tokenizer's checkpoint cannot be found.
        """
        if self.tokenizer != WORDS:
            folder = find_checkpoint(self.tokenizer, revision=self.revision)
            return CaptionTokenizer.read(folder, max_tokens=self.max_tokens)
        return CaptionTokenizer.of_words(texts, max_tokens=self.max_tokens)


CaptionedSettings = TypeVar("CaptionedSettings", bound=Captioned)


class CaptionedData(Dataset[CaptionedSettings]):
    """Opened captioned data; a kind of data says what batches hold by `_train_batch` and `sample_batch`.

    Args:
        settings: The settings it was opened with.
        stored: All clips of the source.
        texts: What is said of each clip.
        assigned: Split of each clip by key; a clip without one is left out.
        tokenizer: The run's tokenizer.
        further_texts: Texts that augmentation makes of those.
    """

    def __init__(
        self,
        settings: CaptionedSettings,
        stored: Stored,
        texts: Sequence[tuple[str, ...]],
        assigned: Mapping[str, Split],
        tokenizer: CaptionTokenizer,
        further_texts: Iterable[str] = (),
    ) -> None:
        super().__init__(settings, stored, assigned)
        self.tokenizer = tokenizer
        self._texts = texts
        self._all_texts = sorted({text for own in texts for text in own} | set(further_texts))
        self._num_tokens = tokenizer.num_tokens(self._all_texts)

    def _order(self, seed: int) -> grain.MapDataset:
        captions = [self._texts[index] for index in self._splits["train"]]
        return training_order(captions, seed=seed, balance=self.settings.balance)

    def fingerprint(self, *, seed: int, num_processes: int = 1) -> dict[str, Any]:
        """Returns what batches are made of, as JSON values that differ where batches would: also texts and tokens."""
        printed = super().fingerprint(seed=seed, num_processes=num_processes)
        tokens, _ = self._tokens(self._all_texts)
        printed["data"]["tokens"] = digest(tokens.tolist())
        for key, texts in zip(self._stored.keys, self._texts, strict=True):
            if key in printed["data"]["clips"]:
                printed["data"]["clips"][key]["texts"] = digest(texts)
        return printed

    def training_texts(self) -> Iterator[Batch]:
        """Yields the tokens of every caption that training batches can hold, once each and in a fixed order."""
        ordered, size = sorted(self._trained_texts()), self.settings.batch_size
        for start in range(0, len(ordered), size):
            yield self._token_rows(ordered[start : start + size], num_rows=size)

    def _trained_texts(self) -> set[str]:
        return {text for index in self._splits["train"] for text in self._texts[index]}

    def _token_rows(self, texts: Sequence[str], *, num_rows: int) -> Batch:
        """Returns the tokens of texts, filled up with empty ones."""
        token_ids, token_mask = self._tokens([*texts, *[""] * (num_rows - len(texts))])
        return {"token_ids": token_ids, "token_mask": token_mask}

    def _tokens(
        self, texts: Sequence[str]
    ) -> tuple[Int32[np.ndarray, "texts tokens"], Bool[np.ndarray, "texts tokens"]]:
        return self.tokenizer(texts, num_tokens=self._num_tokens)
