"""Embeddings of what labels mean: computed by a language model and kept, read from a file, or made of words."""

import dataclasses
import hashlib
import json
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from jaxmm.data.cache import cache_dir
from jaxmm.data.segmentation.vocabulary import Vocabulary
from jaxmm.data.text import TOKENIZER_FILE
from jaxmm.errors import ConfigError, WeightsError
from jaxmm.hub import CONFIG, find_checkpoint
from jaxmm.tasks.sentences import SentenceEncoder
from jaxmm.weights.files import tensor_files
from jaxmm.weights.label_embeddings import FORMATS, read_label_embeddings, write_label_embeddings

WORDS = "words"
_DESCRIBED = "text"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Semantics:
    """Where the embeddings of labels come from.

    Attributes:
        source: A checkpoint, as `jaxmm.hub.find_checkpoint` names it, whose mean-pooled token states of the
            descriptions, or of CLIP the features of its text tower, are taken, and kept for the next run; a file of
            embeddings by label (`.pt`, `.npz`, `.safetensors`); or "words", by which a description is the sum of a
            random vector for each of its words.
        revision: Revision of a hub checkpoint to pin; None takes the newest.
        words_dim: Width of embeddings of "words".
        normalize: Whether embeddings are scaled to unit length (D6); those of a checkpoint always are.

    Raises:
        ConfigError: If the width is out of its range.

    Example:
        >>> embeddings = Semantics(source="words", words_dim=64)(Vocabulary.of(["cut_bread", "cut_cheese", "pour_tea"]))
        >>> similar = embeddings @ embeddings.T
        >>> bool(similar[0, 1] > similar[0, 2])
        True
    """

    source: str = "sentence-transformers/all-MiniLM-L6-v2"
    revision: str | None = None
    words_dim: int = 384
    normalize: bool = True

    def __post_init__(self) -> None:
        if self.words_dim < 1:
            raise ConfigError(f"task.semantics.words_dim is {self.words_dim}; give a width above zero")

    def settings(self) -> dict[str, str]:
        """Returns in words what features are compared with.

        Example:
            >>> Semantics(source="words").settings()
            {'embeddings': 'words, of unit length'}
        """
        as_they_are = not self.normalize and (self.source == WORDS or self.by_label)
        return {"embeddings": f"{self.source}, {'as they are' if as_they_are else 'of unit length'}"}

    @property
    def by_label(self) -> bool:
        """Whether embeddings are looked up by label, whatever it is described by."""
        return Path(self.source).suffix.lower() in FORMATS

    def __call__(self, vocabulary: Vocabulary) -> Float32[np.ndarray, "labels dim"]:
        """Returns the embedding of every label.

        Raises:
            WeightsError: If the checkpoint or file cannot be read, or the file lacks a label.
        """
        if self.source == WORDS:
            found = np.stack([_of_words(text, self.words_dim) for text in vocabulary.descriptions])
        elif self.by_label:
            found = _of_file(Path(self.source), vocabulary)
        else:
            found = _of_checkpoint(find_checkpoint(self.source, revision=self.revision), vocabulary.descriptions)
        if not self.normalize:
            return found
        return found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), np.float32(1e-12))


def _of_words(text: str, dim: int) -> Float32[np.ndarray, "dim"]:
    vectors = []
    for word in text.lower().split():
        seed = int.from_bytes(hashlib.sha256(word.encode()).digest()[:8], "little")
        vectors.append(np.random.default_rng(seed).normal(size=dim))
    return np.sum(vectors, axis=0).astype(np.float32)


def _of_file(path: Path, vocabulary: Vocabulary) -> Float32[np.ndarray, "labels dim"]:
    by_label = read_label_embeddings(path)
    if missing := [label for label in vocabulary.labels if label not in by_label]:
        raise WeightsError(
            f"{path}: has no embedding of {', '.join(missing[:5])}; add it, or name a checkpoint instead"
        )
    return np.stack([by_label[label] for label in vocabulary.labels])


def _of_checkpoint(folder: Path, descriptions: tuple[str, ...]) -> Float32[np.ndarray, "labels dim"]:
    """Embeds descriptions, or returns what was kept of the same ones and the same weights and tokenizer."""
    files = [path for path in (folder / CONFIG, *tensor_files(folder), folder / TOKENIZER_FILE) if path.is_file()]
    read = [hashlib.sha256(path.read_bytes()).hexdigest() for path in files]
    identity = hashlib.sha256(json.dumps([read, descriptions]).encode()).hexdigest()[:24]
    kept = cache_dir() / "semantics" / f"{identity}.safetensors"
    names = [f"{_DESCRIBED}{place}" for place in range(len(descriptions))]
    if kept.is_file():
        vectors = read_label_embeddings(kept)
    else:
        vectors = dict(zip(names, SentenceEncoder.read(str(folder))(descriptions), strict=True))
        write_label_embeddings(kept, vectors)
    return np.stack([vectors[name] for name in names])
