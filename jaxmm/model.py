"""A trained model in use: texts and motions in, embeddings and answers out."""

import dataclasses
import logging
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import flax.linen as nn
import jax
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Float32

from jaxmm.checkpoint import Checkpoints
from jaxmm.data.motion import Motion, resample
from jaxmm.data.motion_text import Gallery, MotionText, MotionTextData
from jaxmm.data.text import CaptionTokenizer
from jaxmm.errors import CheckpointError, ConfigError, DataError
from jaxmm.experiment import Experiment, read_experiment
from jaxmm.index import Hit, Index
from jaxmm.snapshot import tree_sha256
from jaxmm.tasks.base import Embeds
from jaxmm.train.step import compile_eval, make_mesh, place_whole, replicated
from jaxmm.typing import Collections, Params

_LOG = logging.getLogger(__name__)
CONFIG_FILE = "config.json"
ASSETS_FOLDER = "assets"


class Embedder:
    """Compiled towers of a task; embeds any number of texts or motions, in batches of one size.

    Args:
        task: The task, which must have both towers.
        data: Settings that motions are prepared with.
        tokenizer: The run's tokenizer.
        mesh: Devices that share the work; all by default.

    Raises:
        ConfigError: If the task embeds nothing.
    """

    def __init__(self, task: Any, data: MotionText, tokenizer: CaptionTokenizer, *, mesh: Mesh | None = None) -> None:
        if not isinstance(task, Embeds):
            raise ConfigError(f"{type(task).__name__} embeds no motion and text; choose a run of a retrieval system")
        self._data = data
        self._tokenizer = tokenizer
        self._mesh = mesh or make_mesh()
        self._motion = compile_eval(task.embed_motion, self._mesh, precision=task.numerics.matmul_precision)
        self._text = compile_eval(task.embed_text, self._mesh, precision=task.numerics.matmul_precision)

    def texts(self, params: Params, collections: Collections, texts: Sequence[str]) -> Float32[np.ndarray, "texts dim"]:
        """Embeds texts."""
        params, collections = self._place(params, collections)
        num_tokens = self._tokenizer.num_tokens(texts)
        size = self._data.batch_size
        rows = []
        for start in range(0, len(texts), size):
            chunk = list(texts[start : start + size])
            token_ids, token_mask = self._tokenizer(chunk + [""] * (size - len(chunk)), num_tokens=num_tokens)
            batch = place_whole({"token_ids": token_ids, "token_mask": token_mask}, self._mesh)
            rows.append(np.asarray(self._text(params, collections, batch))[: len(chunk)])
        return np.concatenate(rows)

    def motions(
        self,
        params: Params,
        collections: Collections,
        motions: Iterable[Sequence[Float32[np.ndarray, "_time joints 3"]]],
    ) -> Float32[np.ndarray, "motions dim"]:
        """Embeds motions, each given as one or more windows."""
        params, collections = self._place(params, collections)
        size, rows, counts, waiting = self._data.batch_size, [], [], []

        def embed(windows: list[np.ndarray]) -> None:
            batch = self._data.stack(windows, num_rows=size)
            placed = place_whole({name: batch[name] for name in ("motion", "motion_mask")}, self._mesh)
            rows.append(np.asarray(self._motion(params, collections, placed))[: len(windows)])

        for windows in motions:
            counts.append(len(windows))
            waiting += windows
            while len(waiting) >= size:
                embed(waiting[:size])
                del waiting[:size]
        if waiting:
            embed(waiting)
        return _mean_of_runs(np.concatenate(rows), counts)

    def split(
        self, params: Params, collections: Collections, data: MotionTextData, split: str
    ) -> tuple[Gallery, Float32[np.ndarray, "motions dim"], Float32[np.ndarray, "captions dim"]]:
        """Embeds the motions and the distinct captions of a split."""
        gallery = data.gallery(split)
        _LOG.info("embedding %d motions and %d captions of %s", len(gallery.indices), len(gallery.captions), split)
        params, collections = self._place(params, collections)
        motion = self.motions(params, collections, data.windows(split))
        return gallery, motion, self.texts(params, collections, gallery.captions)

    def _place(self, params: Params, collections: Collections) -> tuple[Params, Collections]:
        """Sends parameters to the devices once; those that are there stay as they are laid out."""
        held = jax.tree.leaves(params)
        if held and isinstance(held[0], jax.Array):
            return params, collections
        return jax.device_put((params, collections), replicated(self._mesh))


def _mean_of_runs(rows: Float32[np.ndarray, "rows dim"], counts: Sequence[int]) -> Float32[np.ndarray, "runs dim"]:
    """Returns the mean direction of that many consecutive rows each; a row alone stays as it is.

    Rows that cancel give zeros.
    """
    starts = np.cumsum([0, *counts[:-1]])
    sums = np.add.reduceat(rows, starts, dtype=np.float64)
    means = (sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-12)).astype(np.float32)
    return np.where(np.equal(counts, 1)[:, None], rows[starts], means)


class Model:
    """A trained run: its settings, parameters, and what it can do; made by `load`.

    Attributes:
        experiment: The run's settings; `experiment.task` holds the Linen modules.
        params: Parameters by component, as NumPy arrays.
        collections: Other variables of the modules, such as batch statistics.
        step: Step of the checkpoint.
        skeleton: Names and parents of the joints that the run was trained on.
        run: The run's folder.
        digest: SHA-256 of the parameters and collections.

    Example:
        >>> import tempfile
        >>> from jaxmm import DanceTextTask, Freeze, HashSplit, MotionFolder, PoseConvGru, Skeleton, TransformerText
        >>> from jaxmm.data.folder import write_motion_folder
        >>> import jax
        >>> folder = Path(tempfile.mkdtemp())
        >>> still = Motion(key="still", positions=np.zeros((4, 1, 3), np.float32), fps=20.0,
        ...                skeleton=Skeleton(joint_names=("Hips",), parents=(-1,)), captions=("a person stands",))
        >>> _ = write_motion_folder([still], folder / "data")
        >>> text = TransformerText(vocab_size=20, dim=8, num_layers=1, num_heads=2, feedforward_dim=8)
        >>> experiment = Experiment(
        ...     task=DanceTextTask(motion=PoseConvGru(num_layers=1), text=text, freeze=Freeze("nothing")),
        ...     data=MotionText(source=MotionFolder(), root=str(folder / "data"), split=HashSplit(), num_frames=4,
        ...                     batch_size=1))
        >>> data = experiment.data.open(folder / ASSETS_FOLDER)
        >>> params, collections = experiment.task.init_variables(
        ...     jax.random.key(0), place_whole(data.sample_batch(), make_mesh()))
        >>> model = Model(folder, experiment, params, collections, step=0)
        >>> model.retrieve("a person stands", model.index("train"), k=1)[0].name
        'still'
    """

    def __init__(self, run: Path, experiment: Experiment, params: Params, collections: Collections, step: int) -> None:
        self.run = run
        self.experiment = experiment
        self.params = params
        self.collections = collections
        self.step = step
        self.skeleton = experiment.data.saved_skeleton(run / ASSETS_FOLDER)
        self.digest = tree_sha256({"params": params, "collections": collections})
        tokenizer = experiment.data.saved_tokenizer(run / ASSETS_FOLDER)
        self.embedder = Embedder(experiment.task, experiment.data, tokenizer)

    @property
    def modules(self) -> dict[str, nn.Module]:
        """The Linen modules of the task by field name; apply them with the matching part of `params`."""
        fields = vars(self.experiment.task).items()
        return {name: value for name, value in fields if isinstance(value, nn.Module)}

    def embed_text(self, texts: Sequence[str]) -> Float32[np.ndarray, "texts dim"]:
        """Embeds sentences.

        Args:
            texts: One or more sentences; tokens beyond the run's `max_tokens` are cut.

        Raises:
            DataError: If there is no text, or one is empty.
        """
        if isinstance(texts, str) or not texts or not all(text.strip() for text in texts):
            raise DataError("embed_text takes a list of one or more texts, none of them empty")
        return self.embedder.texts(self.params, self.collections, texts)

    def embed_motion(self, motions: Sequence[Motion]) -> Float32[np.ndarray, "motions dim"]:
        """Embeds motions, resampled and placed as in training.

        Args:
            motions: One or more motions; `experiment.data.window_stride` tells what is seen of a long one.

        Raises:
            DataError: If there is no motion, or one has another number of joints than the run's.
        """
        if not motions:
            raise DataError("embed_motion takes a list of one or more motions")
        data = self.experiment.data
        for motion in motions:
            if motion.skeleton.num_joints != self.skeleton.num_joints:
                raise DataError(
                    f"{motion.key}: has {motion.skeleton.num_joints} joints, but the run was trained on "
                    f"{self.skeleton.num_joints} ({', '.join(self.skeleton.joint_names[:3])}, ...); "
                    "give a motion of that skeleton"
                )
        windows = (
            data.windows(resample(motion.positions, source_fps=motion.fps, target_fps=data.fps), motion.skeleton)
            for motion in motions
        )
        return self.embedder.motions(self.params, self.collections, windows)

    def open_data(self, *, root: str | None = None) -> MotionTextData:
        """Opens the run's data, or the data at another root with the run's settings."""
        settings = self.experiment.data
        settings = settings if root is None else dataclasses.replace(settings, root=root)
        return settings.open(self.run / ASSETS_FOLDER)

    def index(self, split: str = "test", *, root: str | None = None) -> Index:
        """Embeds a split of the data as a gallery to search.

        Args:
            split: `train`, `val` or `test`.
            root: Folder of the data; the run's own by default.

        Raises:
            ConfigError: If there is no such split.
            DataError: If the data cannot be read.
        """
        data = self.open_data(root=root)
        gallery, motion, text = self.embedder.split(self.params, self.collections, data, split)
        frames = [data.packed.motion(place) for place in gallery.indices]
        return Index(
            motion=motion,
            text=text,
            relevant=gallery.relevant,
            frames=np.concatenate(frames).astype(np.float16),
            offsets=np.cumsum([0, *(len(own) for own in frames)], dtype=np.int64),
            keys=tuple(data.packed.keys[place] for place in gallery.indices),
            captions=gallery.captions,
            split=split,
            fps=data.packed.fps,
            skeleton=data.packed.skeleton,
            digest=self.digest,
        )

    def retrieve(self, query: str | Motion, index: Index, *, k: int = 5) -> tuple[Hit, ...]:
        """Finds the motions nearest to a sentence, or the captions nearest to a motion.

        Args:
            query: A sentence or a motion.
            index: A gallery made by this checkpoint.
            k: Number of answers, >= 1.

        Raises:
            CheckpointError: If the index was made by another checkpoint.
        """
        index.check_made_by(self.digest)
        if isinstance(query, str):
            return index.find_motions(self.embed_text([query]), k=k)[0]
        return index.find_captions(self.embed_motion([query]), k=k)[0]


def load(run: str | Path, *, checkpoint: str = "last") -> Model:
    """Loads a trained run.

    Args:
        run: Folder that `jaxmm train` wrote.
        checkpoint: `last`, `best`, or a step.

    Raises:
        CheckpointError: If the folder is no run, or has no such checkpoint.

    Example:
        >>> load("no/such/run")
        Traceback (most recent call last):
        jaxmm.errors.CheckpointError: no/such/run: is not a run; give the folder that jaxmm train wrote
    """
    run = Path(run)
    if not (run / CONFIG_FILE).is_file():
        raise CheckpointError(f"{run}: is not a run; give the folder that jaxmm train wrote")
    experiment = read_experiment(run / CONFIG_FILE)
    with Checkpoints(run, best_metric=experiment.loop.best_metric, writable=False) as checkpoints:
        step = checkpoints.choose(checkpoint)
        params, collections = checkpoints.restore_model(step)
    return Model(run, experiment, params, collections, step)
