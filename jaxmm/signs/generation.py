"""Making any number of clips from texts, with the compiled generator of a task."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Int32

from jaxmm.data.dataset import DataSettings
from jaxmm.data.sign.clip import SignClip
from jaxmm.data.sign_text import SignText
from jaxmm.errors import ConfigError, DataError
from jaxmm.tasks.abilities import Generates
from jaxmm.train.step import compile_eval, make_mesh, place_model, place_whole
from jaxmm.typing import Batch, Collections, Params


class SignMaker:
    """Compiled generator of a task; makes clips in batches of one size.

    Args:
        task: The task, which must generate.
        data: Settings that it was trained with, SignText.
        assets: Folder of the run with tokenizer, statistics and signers.
        mesh: Devices that share the work; all by default.

    Raises:
        ConfigError: If the task generates nothing.
        DataError: If the folder lacks a file.
    """

    def __init__(self, task: Any, data: DataSettings, assets: Path, *, mesh: Mesh | None = None) -> None:
        if not isinstance(task, Generates) or not isinstance(data, SignText):
            raise ConfigError(f"{type(task).__name__} generates no signing; choose a run of a text-to-sign system")
        self.data = data
        self.statistics = data.saved_statistics(assets)
        self.signers = data.saved_signers(assets)
        self._generator = task.generator
        self._tokenizer = data.saved_tokenizer(assets)
        self._mesh = mesh or make_mesh()
        self._generate = compile_eval(task.generate, self._mesh, precision=task.numerics.matmul_precision)

    def __call__(
        self,
        params: Params,
        collections: Collections,
        texts: Sequence[str],
        *,
        seed: int = 0,
        num_frames: int | Sequence[int] | None = None,
        signer: str | Sequence[str] | None = None,
    ) -> list[SignClip]:
        """Makes a clip for each text.

        Args:
            params: Parameters.
            collections: Other variables of the modules.
            texts: One or more texts.
            seed: Seed of the noise, >= 0.
            num_frames: Length of the clips, of all or one each; None lets the model choose.
            signer: Name of the signer, of all or one each; None takes the first.

        Raises:
            ConfigError: If a number or a name is not among what the model knows, or there is not one for each text.
            DataError: If there is no text, or one is empty or not valid Unicode.
        """
        if isinstance(texts, str) or not texts or not all(text.strip() for text in texts):
            raise DataError("generate takes a list of one or more texts, none of them empty")
        if not 0 <= seed < 2**32:
            raise ConfigError(f"seed is {seed}; give a number from 0 to {2**32 - 1}")
        lengths = self._lengths(num_frames, len(texts))
        names, numbers = self._signers(signer, len(texts))
        params, collections = place_model(params, collections, self._mesh)
        clips: list[SignClip] = []
        for start in range(0, len(texts), self.data.batch_size):
            rows = slice(start, start + self.data.batch_size)
            batch = self._batch(texts[rows], lengths[rows], numbers[rows], start, seed)
            made = jax.device_get(self._generate(params, collections, place_whole(batch, self._mesh)))
            for row, text in enumerate(texts[rows]):
                clips.append(self._clip(made, row, text, names[start + row], start + row))
        return clips

    def signers_of(self, clips: Sequence[SignClip]) -> list[str] | None:
        """Returns the signers of clips, to have the same texts signed by them; None where the model knows none.

        Raises:
            ConfigError: If the model knows signers, and one of these is not among them.
        """
        if not self._generator.num_signers:
            return None
        return self._signers([clip.signer for clip in clips], len(clips))[0]

    def _batch(self, texts: Sequence[str], lengths: np.ndarray, signers: np.ndarray, start: int, seed: int) -> Batch:
        size, spare = self.data.batch_size, self.data.batch_size - len(texts)
        token_ids, token_mask = self._tokenizer([*texts, *[""] * spare], num_tokens=self._tokenizer.num_tokens(texts))
        # Each text has noise of its own, whatever the batch it comes to lie in.
        keys = jax.vmap(lambda place: jax.random.fold_in(jax.random.key(seed), place))(start + np.arange(size))
        noise = jax.vmap(lambda key: self._generator.draw_noise(key, batch=1)[0])(keys)
        return {
            "token_ids": token_ids,
            "token_mask": token_mask,
            "noise": np.asarray(noise),
            "signer": np.pad(signers, (0, spare)),
            "length": np.pad(lengths, (0, spare)),
        }

    def _clip(self, made: Any, row: int, text: str, signer: str, place: int) -> SignClip:
        length = int(made["frame_mask"][row].sum())
        frames = self.statistics.restore(made["frames"][row, :length], made["landmark_mask"][row, :length])
        clip = SignClip(key=f"generated_{place:04d}", frames=frames, fps=self.data.fps, gloss=text, signer=signer)
        return clip if self.data.text == "gloss" else dataclasses.replace(clip, gloss=None, sentence=text)

    def _lengths(self, num_frames: int | Sequence[int] | None, count: int) -> Int32[np.ndarray, "texts"]:
        """Returns the length asked of each clip, 0 where the model is to choose."""
        if num_frames is None:
            return np.zeros(count, np.int32)
        lengths, most = _of_each("num_frames", num_frames, count), self._generator.max_frames
        if not all(1 <= length <= most for length in lengths):
            raise ConfigError(f"num_frames is {num_frames}; give 1 to {most}, the longest clip that the model makes")
        return np.array(lengths, np.int32)

    def _signers(self, signer: str | Sequence[str] | None, count: int) -> tuple[list[str], Int32[np.ndarray, "texts"]]:
        """Returns name and number of the signer of each clip."""
        if not self._generator.num_signers:
            if signer is not None:
                raise ConfigError("the run does not tell signers apart (task.generator.num_signers is 0); name none")
            return [""] * count, np.zeros(count, np.int32)
        names = _of_each("signer", self.signers[0] if signer is None else signer, count)
        unknown = [name for name in names if name not in self.signers]
        if unknown:
            raise ConfigError(f"signer {unknown[0]!r} was not seen in training; choose among {', '.join(self.signers)}")
        return names, np.array([self.signers.index(name) for name in names], np.int32)


def _of_each(name: str, given: Any, count: int) -> list[Any]:
    """Returns a setting of each text, where one is given for all or one for each."""
    each = list(given) if isinstance(given, Sequence) and not isinstance(given, str) else [given] * count
    if len(each) != count:
        raise ConfigError(f"{name} has {len(each)} values for {count} texts; give one for all, or one for each")
    return each
