"""Where signing comes from: the procedural signer, folders of features, and words spelled with recorded letters."""

import dataclasses
from functools import partial
from pathlib import Path
from typing import TypeAlias

from jaxmm.data.inventory import Inventory, existing_folder, list_synthetic
from jaxmm.data.sign.clip import SignClip
from jaxmm.data.sign.folder import METADATA, list_sign_folder
from jaxmm.data.sign.letters import FEATURES, LETTERS, list_spelled_words, spelling_languages
from jaxmm.data.sign.statistics import STATISTICS, Statistics
from jaxmm.data.splits import HashSplit
from jaxmm.errors import ConfigError

# Beyond these a letter takes ten seconds, or flits by within two frames.
_SLOWEST, _FASTEST = 0.1, 10.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class ProceduralSigns:
    """Synthetic signing with invented signs of no sign language; every clip carries the tag `split`.

    Attributes:
        seed: Seed of the signers and of what no two takes share.
        takes: Takes of each training sentence, >= 1.
        held_out_takes: Takes of each validation and test sentence, >= 1.
        num_glosses: Signs in use, 8 to 40.
        num_sentences: Sentences of training; None takes all that the signs allow.
        num_held_out: Sentences each of validation and of testing; None takes all.
        num_signers: Signers, >= 1.

    Example:
        >>> next(ProceduralSigns(takes=1).inventory(None).items()).tags["origin"]
        'synthetic'
    """

    seed: int = 0
    takes: int = 4
    held_out_takes: int = 1
    num_glosses: int = 40
    num_sentences: int | None = 400
    num_held_out: int | None = 100
    num_signers: int = 8

    def inventory(self, root: Path | None) -> Inventory[SignClip]:
        """Lists the splits, each as one recording.

        Raises:
            DataError: If a root is given: this source reads no files.
        """
        from jaxmm.data.sign.procedural import signs

        counts = {
            "train": (self.takes, self.num_sentences),
            "val": (self.held_out_takes, self.num_held_out),
            "test": (self.held_out_takes, self.num_held_out),
        }
        made = {
            split: partial(
                signs,
                split,
                seed=self.seed,
                takes=takes,
                num_glosses=self.num_glosses,
                num_sentences=num_sentences,
                num_signers=self.num_signers,
            )
            for split, (takes, num_sentences) in counts.items()
        }
        return list_synthetic(root, made, instead="SignFolder or SpelledWords")

    def statistics(self, root: Path | None) -> Statistics | None:
        """Returns None: the source brings no statistics, those of its training split are computed."""
        del root


@dataclasses.dataclass(frozen=True, kw_only=True)
class SignFolder:
    """A folder of features with `metadata.csv` and `statistics.npz`; see `read_sign_folder`.

    Attributes:
        fps: Frames per second of recordings whose row does not say.

    Example:
        >>> SignFolder().inventory(Path("no/such/folder"))
        Traceback (most recent call last):
        jaxmm.errors.DataError: data.root: no/such/folder is not a folder; give the folder that holds metadata.csv
    """

    fps: float = 25.0

    def inventory(self, root: Path | None) -> Inventory[SignClip]:
        """Lists the recordings below `root` without reading them.

        Raises:
            DataError: If `root` is missing or not a folder.
        """
        return list_sign_folder(existing_folder(root, METADATA), fps=self.fps)

    def statistics(self, root: Path | None) -> Statistics | None:
        """Reads the folder's statistics.

        Raises:
            DataError: If there are none (D11).
        """
        return Statistics.read(existing_folder(root, METADATA) / STATISTICS)


@dataclasses.dataclass(frozen=True, kw_only=True)
class SpelledWords:
    """Words spelled with recordings of letters, in several sign languages; see `list_spelled_words`.

    Every clip carries the tag `split`; a word held out is held out in all languages.

    Attributes:
        languages: Codes of the sign languages.
        num_words: Words, of which each language has those that its letters can spell.
        held_out: Which words are held out.
        speed: How many times as fast as recorded a word is spelled, 0.1 to 10.
        max_frames: Longest word; what would be longer is spelled faster.

    Raises:
        ConfigError: If a number is out of its range, or no language is named, or one twice.

    Example:
        >>> SpelledWords(languages=("ase",)).max_frames
        128
    """

    languages: tuple[str, ...] = ("ase",)
    num_words: int = 400
    held_out: HashSplit = dataclasses.field(default_factory=partial(HashSplit, num_buckets=10, test=(0,), val=(1,)))
    speed: float = 1.0
    max_frames: int = 128

    def __post_init__(self) -> None:
        for name in ("num_words", "max_frames"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"data.source.{name} is {getattr(self, name)}; give a value above zero")
        if not _SLOWEST <= self.speed <= _FASTEST:
            raise ConfigError(f"data.source.speed is {self.speed}; give a factor from {_SLOWEST} to {_FASTEST}")
        if not self.languages:
            raise ConfigError("data.source.languages is empty; name one sign language or more")
        if len(set(self.languages)) != len(self.languages):
            raise ConfigError(f"data.source.languages is {self.languages}; name each sign language once")

    def inventory(self, root: Path | None) -> Inventory[SignClip]:
        """Lists the words without reading their letters.

        Raises:
            DataError: If `root` is missing or not a folder.
        """
        return list_spelled_words(
            existing_folder(root, LETTERS),
            languages=self.languages,
            num_words=self.num_words,
            split=self.held_out,
            speed=self.speed,
            max_frames=self.max_frames,
        )

    def statistics(self, root: Path | None) -> Statistics | None:
        """Returns None: the source brings no statistics, those of its training split are computed."""
        del root


SignSource: TypeAlias = ProceduralSigns | SignFolder | SpelledWords
"""Any of the sources."""


def sign_source_of(root: Path) -> SignFolder | SpelledWords | None:
    """Returns the source that reads a folder of signing, by the files it holds; None for a folder of something else.

    Example:
        >>> import tempfile
        >>> root = Path(tempfile.mkdtemp())
        >>> sign_source_of(root)
        >>> (root / METADATA).touch()
        >>> sign_source_of(root)
        SignFolder(fps=25.0)
    """
    if (root / METADATA).is_file():
        return SignFolder()
    if (root / LETTERS).is_file() and (root / FEATURES).is_file():
        languages = spelling_languages(root)
        return SpelledWords(languages=languages) if languages else SpelledWords()
    return None
