"""Tokenizers: those of pretrained checkpoints, and one built from the words of a data set's own captions."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Int32
from tokenizers import Encoding, Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

from jaxmm.errors import DataError, brief, reason

TOKENIZER_FILE = "tokenizer.json"
"""Name of the file in which a tokenizer is kept."""

_MAX_BYTES = 32 * 2**20
_MAX_VOCAB = 2**21
_LENGTH_STEP = 8  # token lengths are rounded up, so that few shapes are compiled


class CaptionTokenizer:
    """Turns captions into padded token ids and masks.

    Args:
        tokenizer: The underlying tokenizer; it adds its own special tokens.
        max_tokens: Longest text in tokens, special tokens included; longer ones are cut.

    Example:
        >>> tokenizer = CaptionTokenizer.of_words(["a person walks", "a person runs"], max_tokens=64)
        >>> token_ids, token_mask = tokenizer(["a person walks"])
        >>> token_ids.shape, int(token_mask.sum())
        ((1, 8), 5)
    """

    def __init__(self, tokenizer: Tokenizer, *, max_tokens: int) -> None:
        self.max_tokens = max_tokens
        self._tokenizer = tokenizer
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(max_tokens)

    @classmethod
    def read(cls, folder: Path, *, max_tokens: int) -> "CaptionTokenizer":
        """Reads `tokenizer.json` of a checkpoint folder.

        Raises:
            DataError: If there is none, or it cannot be read.
        """
        path = folder / TOKENIZER_FILE
        if not path.is_file():
            raise DataError(
                f"{folder}: has no {TOKENIZER_FILE}; write one with "
                "transformers.AutoTokenizer.from_pretrained(folder).save_pretrained(folder)"
            )
        try:
            if path.stat().st_size > _MAX_BYTES:
                raise ValueError(f"it is larger than {_MAX_BYTES // 2**20} MiB")
            tokenizer = cls(Tokenizer.from_file(str(path)), max_tokens=max_tokens)
            tokenizer(["a person walks"])
            if tokenizer.vocab_size > _MAX_VOCAB:
                raise ValueError(f"its token ids go beyond {_MAX_VOCAB}")
            return tokenizer
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # the library raises plain Exception, and a panic of its parser is not even that
            raise DataError(f"{path}: not a tokenizer ({reason(error)}); fetch the checkpoint again") from error

    @classmethod
    def of_words(cls, captions: Iterable[str], *, max_tokens: int) -> "CaptionTokenizer":
        """Builds a vocabulary of the lower-cased words of `captions`; other words become one unknown token."""
        special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
        tokenizer = Tokenizer(models.WordLevel(unk_token="[UNK]"))
        tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
        tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        # Sorted, because equally frequent words get their ids in the order of the captions.
        tokenizer.train_from_iterator(sorted(set(captions)), trainers.WordLevelTrainer(special_tokens=special))
        tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
        return cls(tokenizer, max_tokens=max_tokens)

    @property
    def vocab_size(self) -> int:
        """One more than the largest token id."""
        return max(self._tokenizer.get_vocab(with_added_tokens=True).values()) + 1

    def write(self, folder: Path) -> None:
        """Writes `tokenizer.json`, so that `read` gives the same tokenizer."""
        folder.mkdir(parents=True, exist_ok=True)
        self._tokenizer.save(str(folder / TOKENIZER_FILE))

    def num_tokens(self, texts: Sequence[str]) -> int:
        """Returns the length that holds all of `texts`, rounded up and at most `max_tokens`."""
        longest = max(len(encoding.ids) for encoding in self._encodings(texts))
        return min(self.max_tokens, -(-longest // _LENGTH_STEP) * _LENGTH_STEP)

    def __call__(
        self, texts: Sequence[str], *, num_tokens: int | None = None
    ) -> tuple[Int32[np.ndarray, "batch tokens"], Bool[np.ndarray, "batch tokens"]]:
        """Returns token ids and their mask.

        Args:
            texts: One or more texts.
            num_tokens: Length to pad or cut to; by default that of `num_tokens(texts)`.

        Raises:
            DataError: If a text is not valid Unicode.
        """
        width = self.num_tokens(texts) if num_tokens is None else num_tokens
        token_ids, token_mask = np.zeros((len(texts), width), np.int32), np.zeros((len(texts), width), bool)
        for row, encoding in enumerate(self._encodings(texts)):
            ids = encoding.ids[:width]
            token_ids[row, : len(ids)], token_mask[row, : len(ids)] = ids, True
        return token_ids, token_mask

    def _encodings(self, texts: Sequence[str]) -> list[Encoding]:
        try:
            return self._tokenizer.encode_batch(list(texts))
        except TypeError as error:  # the library only says that a text of lone surrogates is of another type
            odd = [text for text in texts if text.encode(errors="replace").decode() != text]
            raise DataError(f"the text {brief(odd[0])} is not valid Unicode; correct it") from error
