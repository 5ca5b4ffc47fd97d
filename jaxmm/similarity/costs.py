"""What a run that compares videos costs: its size, its work, and how long its answers take on this machine."""

import dataclasses
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any, cast

import jax
import numpy as np

from jaxmm.errors import ConfigError
from jaxmm.model import Model
from jaxmm.tasks.frame_features import FEATURES
from jaxmm.tasks.video_similarity import VideoSimilarityTask
from jaxmm.train.step import Devices, compile_eval, make_mesh, place_model, place_whole
from jaxmm.typing import Batch

_MOST_CALLS, _LEAST_CALLS, _LONGEST_S = 50, 3, 1.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Costs:
    """What one video and one pair cost, beside the backbone and on one device.

    Attributes:
        parameters: Of encoder and head.
        flops: Operations to embed a video by features of its frames, as XLA counts them in the compiled program.
        embed_ms: Median time to embed one video by features of its frames, in milliseconds.
        pair_ms: Median time to compare one pair of embeddings.
        see_ms: Median time in which the backbone sees one frame of a video, all of whose frames it sees at once.
        frames: Frames of a video.
        fps: Frames per second at which videos are seen; None where each keeps its own rate.

    Example:
        >>> costs = Costs(parameters=10, flops=20.0, embed_ms=1.0, pair_ms=0.5, see_ms=2.0, frames=8, fps=8.0)
        >>> costs.video_ms, costs.frames_per_second, costs.pairs_per_second
        (17.0, 470.5882352941176, 2000.0)
    """

    parameters: int
    flops: float
    embed_ms: float
    pair_ms: float
    see_ms: float
    frames: int
    fps: float | None

    @property
    def video_ms(self) -> float:
        """Time from the frames of a video to its embedding."""
        return self.frames * self.see_ms + self.embed_ms

    @property
    def frames_per_second(self) -> float:
        """Frames that are seen and embedded in a second, video after video."""
        return 1000 * self.frames / self.video_ms

    @property
    def pairs_per_second(self) -> float:
        """Pairs of embeddings that are compared in a second, one after another."""
        return 1000 / self.pair_ms


def costs_together(members: Sequence[Costs]) -> Costs:
    """Returns the costs of an ensemble, whose members share what sees the frames and answer one after another.

    Example:
        >>> own = Costs(parameters=10, flops=20.0, embed_ms=1.0, pair_ms=0.5, see_ms=2.0, frames=8, fps=None)
        >>> both = costs_together([own, own])
        >>> both.parameters, both.embed_ms, both.see_ms
        (20, 2.0, 2.0)
    """
    parameters = sum(own.parameters for own in members)
    flops, embed_ms, pair_ms = (sum(getattr(own, name) for own in members) for name in ("flops", "embed_ms", "pair_ms"))
    return dataclasses.replace(members[0], parameters=parameters, flops=flops, embed_ms=embed_ms, pair_ms=pair_ms)


def costs_of(model: Model, *, see_ms: float | None = None) -> Costs:
    """Measures a run, one video and one pair at a time.

    Args:
        model: A run that compares videos.
        see_ms: Time in which its backbone sees a frame, where that was measured before, as chance is not to tell runs
            of the same backbone apart.

    Raises:
        ConfigError: If the run is of another system, or XLA counts no operations on this device.

    Example:
        >>> import jaxmm
        >>> costs_of(jaxmm.load("no/such/run"))
        Traceback (most recent call last):
        jaxmm.errors.CheckpointError: no/such/run: is not a run; give the folder that jaxmm train wrote
    """
    task, data = cast(VideoSimilarityTask, model.experiment.task), model.similarity.data
    mesh = make_mesh(Devices(num_devices=1))
    params, collections = place_model(model.params, model.collections, mesh)
    video = {name: data.blank_batch()[name] for name in ("frames", "frame_mask")}
    seen = {FEATURES: np.zeros((*video["frame_mask"].shape, task.frames.dim), np.float32), **video}
    seen.pop("frames")
    pair = dict.fromkeys("ab", np.zeros((1, task.embedding_dim), np.float32))

    def compared(params: Any, collections: Any, batch: Batch) -> Any:
        del collections
        return task.compare_pairs(params, batch["a"], batch["b"])

    def compiled(function: Callable[..., Any], batch: Batch) -> tuple[Any, tuple[Any, ...]]:
        arguments = (params, collections, place_whole(batch, mesh))
        program = compile_eval(function, mesh, precision=task.numerics.matmul_precision)
        return program.lower(*arguments).compile(), arguments

    embed, of_video = compiled(task.embed_video, seen)
    if see_ms is None:
        see_ms = _latency_ms(*compiled(task.see, video)) / data.frames_per_clip
    return Costs(
        parameters=sum(leaf.size for name in ("encoder", "head") for leaf in jax.tree.leaves(params[name])),
        flops=_flops(embed),
        embed_ms=_latency_ms(embed, of_video),
        pair_ms=_latency_ms(*compiled(compared, pair)),
        see_ms=see_ms,
        frames=data.frames_per_clip,
        fps=data.fps,
    )


def _flops(program: Any) -> float:
    costs = program.cost_analysis()
    if not costs or "flops" not in costs:
        raise ConfigError(f"XLA counts no operations on {jax.default_backend()}; set JAX_PLATFORMS=cpu to compare")
    return float(costs["flops"])


def _latency_ms(program: Callable[..., Any], arguments: Sequence[Any]) -> float:
    """Returns the median time of calls that wait for their outcome, after one that does not count."""
    jax.block_until_ready(program(*arguments))
    times, started = list[float](), time.perf_counter()
    while len(times) < _LEAST_CALLS or (len(times) < _MOST_CALLS and time.perf_counter() - started < _LONGEST_S):
        before = time.perf_counter()
        jax.block_until_ready(program(*arguments))
        times.append(time.perf_counter() - before)
    return 1000 * statistics.median(times)
