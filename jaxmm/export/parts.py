"""What each kind of run offers to export: pure functions of a few named arrays, with what must be known to use them."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np
from jaxtyping import Array

from jaxmm.artefact import Tensor
from jaxmm.config import encode
from jaxmm.data.action_videos import ActionVideos
from jaxmm.data.captioned import Captioned
from jaxmm.data.sign.layout import HOLISTIC
from jaxmm.data.text import TOKENIZER_FILE
from jaxmm.errors import ConfigError
from jaxmm.model import ASSETS_FOLDER, Model
from jaxmm.tasks.abilities import Aligns, AnswersFrames, Classifies, Compares, Embeds, Generates
from jaxmm.typing import Batch, Collections, Params

_BATCH, _TIME, _TOKENS = "batch", "time", "tokens"
_PAIR = (("a", "one"), ("b", "the other"))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Part:
    """A pure function of a task, and what a file of it says.

    Attributes:
        name: What it is called on the command line and in its file.
        function: Maps parameters, collections and inputs to outputs by name.
        inputs: What it takes.
        outputs: What each of its outputs is, in words.
        sizes: Least and most length of each named axis.
        preprocessing: Constants by which inputs are made of what was recorded, and outputs turned back.
        labels: What the numbers of labels or signers stand for.
        tokenizer: Text of the tokenizer's file, where texts are read.
        max_tokens: Tokens that texts are cut to.

    Example:
        >>> double = lambda params, collections, batch: {"y": 2 * batch["x"]}
        >>> x = Tensor(name="x", dtype="float32", shape=("batch",), meaning="numbers")
        >>> sizes = {"batch": (1, None)}
        >>> Part(name="double", function=double, inputs=(x,), outputs={"y": "twice x"}, sizes=sizes).labels
        ()
    """

    name: str
    function: Callable[[Params, Collections, Batch], Mapping[str, Array]]
    inputs: tuple[Tensor, ...]
    outputs: Mapping[str, str]
    sizes: Mapping[str, tuple[int, int | None]]
    preprocessing: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    labels: tuple[str, ...] = ()
    tokenizer: str | None = None
    max_tokens: int | None = None


def parts_of(model: Model) -> dict[str, Part]:
    """Returns what a run offers to export, by name.

    A further kind of system has a protocol in `jaxmm.tasks.abilities`, and a function here that makes its parts.

    Raises:
        ConfigError: If there is nothing.
        DataError: If the run's folder lacks a file.
    """
    for protocol, offer in _OFFERS.items():
        if isinstance(model.experiment.task, protocol):
            return {part.name: part for part in offer(model)}
    raise ConfigError(
        f"{type(model.experiment.task).__name__} offers nothing to export; choose a run of another system"
    )


def _towers(model: Model) -> tuple[Part, ...]:
    """A motion tower and a text tower into one space."""
    task, data = _settings(model)
    skeleton = model.skeleton
    motion = Part(
        name="motion",
        function=lambda params, collections, batch: {"embedding": task.embed_motion(params, collections, batch)},
        inputs=(
            _floats("motion", (_BATCH, _TIME, skeleton.num_joints, 3), "joint positions, placed as preprocessing says"),
            _mask("motion_mask", (_BATCH, _TIME), "true where a frame is valid"),
        ),
        outputs={"embedding": "of unit norm, to compare by inner product"},
        sizes={_BATCH: (1, None), _TIME: (1, None)},
        preprocessing={
            "fps": data.fps,
            "num_frames": data.num_frames,
            "window_stride": data.window_stride,
            "centre": data.centre,
            "face_forward": data.face_forward,
            "scale": data.scale,
            "joint_names": list(skeleton.joint_names),
            "parents": list(skeleton.parents),
        },
    )
    text = Part(
        name="text",
        function=lambda params, collections, batch: {"embedding": task.embed_text(params, collections, batch)},
        inputs=_token_inputs(task),
        outputs=motion.outputs,
        sizes=_token_sizes(task),
        **_tokenizer(model, data),
    )
    return motion, text


def _generator(model: Model) -> tuple[Part, ...]:
    """The generator of signing, which takes its noise so that it is the same wherever it runs."""
    task, data = _settings(model)
    generator, statistics = task.generator, data.saved_statistics(model.run / ASSETS_FOLDER)
    signers = data.saved_signers(model.run / ASSETS_FOLDER) if generator.num_signers else ()
    most = generator.max_frames
    steps = 1 if generator.noise == "sequence" else most
    part = Part(
        name="generator",
        function=lambda params, collections, batch: dict(task.generate(params, collections, batch)),
        inputs=(
            *_token_inputs(task),
            _floats("noise", (_BATCH, steps, generator.noise_dim), "normal noise; another one gives another clip"),
            _numbers("signer", (_BATCH,), "number of the signer", below=max(1, generator.num_signers)),
            _numbers("length", (_BATCH,), "frames asked for, 0 where the model is to choose", below=most + 1),
        ),
        outputs={
            "frames": "normalised; times std plus mean they are original",
            "frame_mask": "true for the clip's own frames",
            "landmark_mask": "true where a landmark is in sight",
        },
        sizes=_token_sizes(task),
        preprocessing={
            "fps": data.fps,
            "max_frames": data.max_frames,
            "text": data.text,
            "mean": statistics.mean.tolist(),
            "std": statistics.deviation.tolist(),
            "landmarks": list(HOLISTIC.landmarks),
        },
        labels=signers,
        **_tokenizer(model, data),
    )
    return (part,)


def _frame_answers(model: Model) -> tuple[Part, ...]:
    """Features of frames, or their preferences for labels."""
    task, data = _settings(model)
    scale = data.saved_scale(model.run / ASSETS_FOLDER)
    vocabulary = data.saved_vocabulary(model.run / ASSETS_FOLDER)
    name, meaning, known = "logits", "preferences for labels", {}
    if isinstance(task, Aligns):
        name, meaning = "aligned", "features aligned with the embeddings of labels"
        known = {"label_embeddings": np.asarray(task.embeddings(model.collections)).tolist()}
    part = Part(
        name="frames",
        function=lambda params, collections, batch: {name: task.answer(params, collections, batch)},
        inputs=(
            _floats("features", (_BATCH, _TIME, scale.dim), "features of frames, less mean, divided by std"),
            _mask("frame_mask", (_BATCH, _TIME), "true where a frame is valid"),
        ),
        outputs={name: meaning},
        sizes={_BATCH: (1, None), _TIME: (1, None)},
        preprocessing={**scale.as_json(), "descriptions": list(vocabulary.descriptions), **known},
        labels=vocabulary.labels,
    )
    return (part,)


def _classifier(model: Model) -> tuple[Part, ...]:
    """What the head says of a video, and, where classes have prompts, what they say."""
    task, data = _settings(model)
    head = Part(
        name="head",
        function=lambda params, collections, batch: {"logits": task.classify(params, collections, batch)},
        outputs={"logits": "preferences for classes"},
        labels=data.saved_vocabulary(model.run / ASSETS_FOLDER).labels,
        **_of_frames(data),
    )
    if task.semantics is None:
        return (head,)
    compared = dataclasses.replace(
        head,
        name="prompts",
        function=lambda params, collections, batch: {"logits": task.compare(params, collections, batch)},
        outputs={"logits": "scaled similarities to the prompts of classes"},
    )
    return head, compared


def _comparison(model: Model) -> tuple[Part, ...]:
    """What makes an embedding of a video, and what compares two of them."""
    task, data = _settings(model)
    embedding = Part(
        name="embedding",
        function=lambda params, collections, batch: {"embedding": task.embed_video(params, collections, batch)},
        outputs={"embedding": "of the video, to be compared by the part score"},
        **_of_frames(data),
    )
    shape = (_BATCH, task.embedding_dim)
    score = Part(
        name="score",
        function=lambda params, collections, batch: {
            "probability": jax.nn.sigmoid(task.compare_pairs(params, batch["a"], batch["b"]))
        },
        inputs=tuple(_floats(name, shape, f"embeddings of videos, {which} of each pair") for name, which in _PAIR),
        outputs={"probability": "that two videos belong together"},
        sizes={_BATCH: (1, None)},
    )
    return embedding, score


_OFFERS: Mapping[type, Callable[[Model], tuple[Part, ...]]] = {
    Embeds: _towers,
    Generates: _generator,
    AnswersFrames: _frame_answers,
    Classifies: _classifier,
    Compares: _comparison,
}
"""What makes the parts of a task that has a protocol."""


def _settings(model: Model) -> tuple[Any, Any]:
    """Returns task and data, of which the task's protocol and its `check_data` tell the kind."""
    return model.experiment.task, model.experiment.data


def _of_frames(data: ActionVideos) -> dict[str, Any]:
    """Returns inputs, sizes and preprocessing of a part that sees frames of videos."""
    size = data.frame_size
    return {
        "inputs": (
            Tensor(name="frames", dtype="uint8", shape=(_BATCH, _TIME, size, size, 3), meaning="frames, RGB"),
            _mask("frame_mask", (_BATCH, _TIME), "true where a frame is valid; those come first"),
        ),
        "sizes": {_BATCH: (1, None), _TIME: (1, None)},
        "preprocessing": {
            "fps": data.fps,
            "frame_size": size,
            "frames_per_clip": data.frames_per_clip,
            "sampling": encode(data.sampling),
        },
    }


def _floats(name: str, shape: tuple[int | str, ...], meaning: str) -> Tensor:
    return Tensor(name=name, dtype="float32", shape=shape, meaning=meaning)


def _mask(name: str, shape: tuple[int | str, ...], meaning: str) -> Tensor:
    return Tensor(name=name, dtype="bool", shape=shape, meaning=meaning)


def _numbers(name: str, shape: tuple[int | str, ...], meaning: str, *, below: int) -> Tensor:
    return Tensor(name=name, dtype="int32", shape=shape, meaning=meaning, below=below)


def _token_inputs(task: Any) -> tuple[Tensor, ...]:
    shape = (_BATCH, _TOKENS)
    return (
        _numbers("token_ids", shape, "tokens of texts, by the tokenizer", below=task.text.vocab_size),
        _mask("token_mask", shape, "true where a token is valid"),
    )


def _token_sizes(task: Any) -> dict[str, tuple[int, int | None]]:
    return {_BATCH: (1, None), _TOKENS: (1, task.text.max_tokens)}


def _tokenizer(model: Model, data: Captioned) -> dict[str, Any]:
    text = (model.run / ASSETS_FOLDER / TOKENIZER_FILE).read_text(encoding="utf-8")
    return {"tokenizer": text, "max_tokens": data.max_tokens}
