"""A trained model in use: texts and motions in, embeddings and answers out."""

import dataclasses
import functools
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TypeVar

import flax.linen as nn
import numpy as np
from jaxtyping import Float32, UInt8

from jaxmm.actions.answers import ActionAnswers
from jaxmm.checkpoint import Checkpoints
from jaxmm.data.action_videos import ActionVideos, ActionVideosData
from jaxmm.data.dataset import DataSettings
from jaxmm.data.motion import Motion, Skeleton, resample
from jaxmm.data.motion_text import MotionTextData
from jaxmm.data.segmented import SegmentedData, SegmentedVideos
from jaxmm.data.sign.clip import SignClip
from jaxmm.data.sign_text import SignText, SignTextData
from jaxmm.data.similar_videos import SimilarVideos, SimilarVideosData
from jaxmm.errors import CheckpointError, ConfigError, DataError
from jaxmm.experiment import Experiment, read_experiment
from jaxmm.frames.answers import FrameAnswers
from jaxmm.motions.embeddings import Embedder
from jaxmm.motions.index import Hit, Index
from jaxmm.signs.codes import SignCoder
from jaxmm.signs.generation import SignMaker
from jaxmm.similarity.answers import SimilarityAnswers
from jaxmm.similarity.index import VideoHit, VideoIndex
from jaxmm.snapshot import tree_sha256
from jaxmm.typing import Collections, Params

CONFIG_FILE = "config.json"
ASSETS_FOLDER = "assets"
Kind = TypeVar("Kind", bound=DataSettings)


class Model:
    """A trained run: its settings, parameters, and what it can do; made by `load`.

    Attributes:
        experiment: The run's settings; `experiment.task` holds the Linen modules.
        params: Parameters by component, as NumPy arrays.
        collections: Other variables of the modules, such as batch statistics.
        step: Step of the checkpoint.
        run: The run's folder.
        digest: SHA-256 of the parameters and collections.

    Example:
        >>> import tempfile
        >>> from jaxmm import (
        ...     DanceTextTask, Freeze, HashSplit, MotionFolder, MotionText, PoseConvGru, Skeleton, TransformerText)
        >>> from jaxmm.data.folder import write_motion_folder
        >>> from jaxmm.train.step import make_mesh, place_whole
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
        self.digest = tree_sha256({"params": params, "collections": collections})

    @functools.cached_property
    def embedder(self) -> Embedder:
        """The compiled towers of a retrieval system.

        Raises:
            ConfigError: If the run is of another system.
        """
        return Embedder(self.experiment.task, self.experiment.data, self.run / ASSETS_FOLDER)

    @functools.cached_property
    def skeleton(self) -> Skeleton:
        """Names and parents of the joints that a retrieval system was trained on.

        Raises:
            ConfigError: If the run is of another system.
        """
        return self.embedder.data.saved_skeleton(self.run / ASSETS_FOLDER)

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
        data = self.embedder.data
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

    @functools.cached_property
    def signer(self) -> SignMaker:
        """The compiled generator of a text-to-sign system.

        Raises:
            ConfigError: If the run is of another system.
        """
        return SignMaker(self.experiment.task, self.experiment.data, self.run / ASSETS_FOLDER)

    @functools.cached_property
    def coder(self) -> SignCoder:
        """The compiled encoder and decoder of a signing autoencoder.

        Raises:
            ConfigError: If the run is of another system.
        """
        return SignCoder(self.experiment.task, self.experiment.data, self.run / ASSETS_FOLDER)

    @functools.cached_property
    def frames(self) -> FrameAnswers:
        """The compiled network of a run that answers frames of videos.

        Raises:
            ConfigError: If the run is of another system.
        """
        return FrameAnswers(self.experiment.task, self.experiment.data, self.run / ASSETS_FOLDER)

    @functools.cached_property
    def actions(self) -> ActionAnswers:
        """The compiled classifier of a run on videos of actions.

        Raises:
            ConfigError: If the run is of another system.
        """
        return ActionAnswers(self.experiment.task, self.experiment.data, self.run / ASSETS_FOLDER)

    @functools.cached_property
    def similarity(self) -> SimilarityAnswers:
        """The compiled encoder and head of a run on videos that are compared.

        Raises:
            ConfigError: If the run is of another system.
        """
        return SimilarityAnswers(self.experiment.task, self.experiment.data)

    def generate(
        self, texts: Sequence[str], *, seed: int = 0, num_frames: int | None = None, signer: str | None = None
    ) -> list[SignClip]:
        """Signs texts.

        Args:
            texts: One or more texts of the kind that the run was trained on, `experiment.data.text`.
            seed: Seed of the noise, >= 0; a text's clip depends on it and on the text's place in the list alone.
            num_frames: Length of the clips; by default the model chooses.
            signer: Name of the signer, where the run knows several; by default the first.

        Returns:
            Clips in original units, trimmed to their length.

        Raises:
            ConfigError: If the run is of another system, or a number is out of its range.
            DataError: If there is no text, or one is empty.
        """
        return self.signer(self.params, self.collections, texts, seed=seed, num_frames=num_frames, signer=signer)

    def open_data(self, *, root: str | None = None) -> MotionTextData:
        """Opens the run's motions and texts, or those at another root with the run's settings.

        Raises:
            ConfigError: If the run is of another system.
        """
        settings = self.embedder.data
        return _at(settings, root).open(self.run / ASSETS_FOLDER)

    def open_signing(self, *, root: str | None = None) -> SignTextData:
        """Opens the run's signing, or the signing at another root with the run's settings.

        Raises:
            ConfigError: If the run is not one of signing.
        """
        return self._settings(SignText, root).open(self.run / ASSETS_FOLDER)

    def open_segmented(self, *, root: str | None = None) -> SegmentedData:
        """Opens the run's labelled videos, or those at another root with the run's settings.

        Raises:
            ConfigError: If the run is not one of labelled videos.
        """
        return self._settings(SegmentedVideos, root).open(self.run / ASSETS_FOLDER)

    def open_actions(self, *, root: str | None = None) -> ActionVideosData:
        """Opens the run's videos of actions, or those at another root with the run's settings.

        Raises:
            ConfigError: If the run is of another system.
        """
        return self._settings(ActionVideos, root).open(self.run / ASSETS_FOLDER)

    def open_similar(self, *, root: str | None = None) -> SimilarVideosData:
        """Opens the run's videos that are compared, or those at another root with the run's settings.

        Raises:
            ConfigError: If the run is of another system.
        """
        return self._settings(SimilarVideos, root).open(self.run / ASSETS_FOLDER)

    def _settings(self, kind: type[Kind], root: str | None) -> Kind:
        settings = self.experiment.data
        if not isinstance(settings, kind):
            raise ConfigError(f"{self.run}: its data are {type(settings).__name__}; choose a run on {kind.__name__}")
        return _at(settings, root)

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

    def similar(
        self, a: UInt8[np.ndarray, "frames_a size size 3"], b: UInt8[np.ndarray, "frames_b size size 3"]
    ) -> float:
        """Returns the probability that two videos are alike, of a run that compares them.

        Args:
            a: One, as all frames that the run's settings keep of it.
            b: The other.

        Raises:
            ConfigError: If the run is of another system.
            DataError: If a video has no frame, or frames of another size.
        """
        embeddings = np.stack(list(self.similarity(self.params, self.collections, [a, b])))
        return float(self.similarity.compare(self.params, embeddings, np.array([[0, 1]]))[0])

    def search(
        self, clips: Iterable[UInt8[np.ndarray, "_time size size 3"]], index: VideoIndex, *, k: int = 5
    ) -> tuple[VideoHit, ...]:
        """Finds the videos that show what a video shows, by a run that compares videos.

        Args:
            clips: The video, or windows of it, of which the most similar one counts: frames as for `similar`.
            index: A gallery made by this checkpoint.
            k: Number of answers, >= 1.

        Raises:
            CheckpointError: If the index was made by another checkpoint.
            ConfigError: If the run is of another system.
            DataError: If there is no clip, or one has no frame, or frames of another size.
        """
        index.check_made_by(self.digest)
        queries = list(self.similarity(self.params, self.collections, clips))
        if not queries:
            raise DataError("search takes one or more clips of a video")
        pairs = np.stack(np.meshgrid(np.arange(len(queries)), np.arange(len(index.spans)), indexing="ij"), axis=-1)
        found = self.similarity.compare(self.params, np.stack(queries), pairs.reshape(-1, 2), others=index.embeddings)
        return index.best(found.reshape(len(queries), -1).max(axis=0), k=k)


def _at(settings: Kind, root: str | None) -> Kind:
    """Returns settings of the same data at another place, if one is named."""
    return settings if root is None else dataclasses.replace(settings, root=root)


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
    loop = experiment.loop
    with Checkpoints(run, best_metric=loop.best_metric, best_is=loop.best_is, writable=False) as checkpoints:
        step = checkpoints.choose(checkpoint)
        params, collections = checkpoints.restore_model(step)
    return Model(run, experiment, params, collections, step)
