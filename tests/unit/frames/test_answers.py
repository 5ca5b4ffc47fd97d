"""Answers to a video are the same alone, among others, in windows and as a stream."""

import dataclasses
import itertools
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxmm.data.segmentation.lengths import padded_length
from jaxmm.data.segmented import SegmentedVideos
from jaxmm.encoders.tcn import FrameProjector, MultiStageTcn, TemporalConvNet
from jaxmm.errors import ConfigError, DataError
from jaxmm.frames.answers import FrameAnswers
from jaxmm.tasks.segmentation import SegmentationTask
from jaxmm.tasks.semantic_alignment import SemanticAlignmentTask
from jaxmm.train.step import Devices, make_mesh

DIM, NUM_LABELS = 6, 3
# Below and at a padded length, and one that only the longest window sees at once.
LENGTHS = (1, 30, 64, 150)


def make_task(kind, *, causal):
    if kind == "alignment":
        return SemanticAlignmentTask(
            encoder=TemporalConvNet(dims=(6, 4), causal=causal),
            projector=FrameProjector(hidden_dim=8, embedding_dim=5),
            num_labels=NUM_LABELS,
        )
    return SegmentationTask(head=MultiStageTcn(num_labels=NUM_LABELS, num_stages=2, num_layers=3, dim=5, causal=causal))


@pytest.fixture(scope="module")
def assets(tmp_path_factory):
    """Where a run keeps its labels and the scale of its features, which is not none."""
    rng, folder = np.random.default_rng(5), tmp_path_factory.mktemp("assets")
    scale = {"mean": rng.normal(size=DIM).tolist(), "std": rng.uniform(0.5, 2, DIM).tolist()}
    names = ["cut", "mix", "null"]
    (folder / "videos.json").write_text(json.dumps({"labels": names, "descriptions": names, **scale}))
    return folder


@dataclasses.dataclass(frozen=True)
class Case:
    """A network that has learnt nothing, with its answers to whole videos."""

    task: object
    params: object
    collections: object
    assets: object
    whole: list[np.ndarray]

    def answers(self, **options):
        return FrameAnswers(self.task, SegmentedVideos(), self.assets, mesh=one_device(), **options)

    def __call__(self, videos, **options):
        return list(self.answers(**options)(self.params, self.collections, videos))

    def stream(self, chunks):
        return list(self.answers().stream(self.params, self.collections, chunks))


def one_device():
    return make_mesh(Devices(num_devices=1))


def make_videos():
    rng = np.random.default_rng(0)
    return [rng.normal(size=(length, DIM)).astype(np.float32) for length in LENGTHS]


@pytest.fixture(scope="module")
def videos():
    return make_videos()


def make_case(kind, assets, *, causal=False):
    task = make_task(kind, causal=causal)
    blank = {name: rows for name, rows in SegmentedVideos().blank_batch().items() if name != "features"}
    batch = {**blank, "features": np.zeros((1, 64, DIM), np.float32)}
    params, collections = jax.jit(task.init_variables)(jax.random.key(0), batch)
    # Running statistics as after training, of which those of variance must be above zero.
    collections = jax.tree.map(lambda leaf: leaf + jax.random.uniform(jax.random.key(1), leaf.shape), collections)
    bare = Case(task, params, collections, assets, [])
    return dataclasses.replace(bare, whole=bare(make_videos()))


@pytest.fixture(scope="module", params=["alignment", "segmentation"])
def case(request, assets):
    """Networks that see frames to come."""
    return make_case(request.param, assets)


@pytest.fixture(scope="module", params=["alignment", "segmentation"])
def causal(request, assets):
    """Networks that see only the frames before."""
    return make_case(request.param, assets, causal=True)


def assert_same(ours, theirs):
    for one, other in zip(ours, theirs, strict=True):
        assert one.shape == other.shape and one.dtype == np.float32
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-5)


# Alone, in a batch, in windows


def test_every_frame_is_answered_at_the_length_of_its_video(case, videos):
    assert [answer.shape for answer in case.whole] == [
        (length, 5 if "Align" in type(case.task).__name__ else NUM_LABELS) for length in LENGTHS
    ]
    assert np.abs(case.whole[-1] - case.whole[-1][:1]).max() > 0.1
    assert_same(case(videos[2:3]), case.whole[2:3])


def test_answers_depend_on_as_many_frames_around_as_the_context_says(case, videos):
    before, after = case.task.context
    changed = np.tile(videos[-1], (9, 1, 1))
    changed[:, 75] += 9 * np.random.default_rng(0).normal(size=(9, DIM))
    changes = np.stack(case(changed)) - case.whole[-1]
    met = np.flatnonzero(np.abs(changes).max(axis=(0, 2)) > 1e-6)
    assert 75 - after <= met[0] < 75 - after // 2
    assert 75 + before // 2 < met[-1] <= 75 + before


def test_answers_in_a_batch_with_longer_videos_are_those_alone(case, videos):
    data, scale = SegmentedVideos(), case.answers()._scale
    batch = data.stack(
        [scale(video) for video in videos], [np.zeros(len(video), np.int32) for video in videos], num_rows=5
    )
    assert batch["features"].shape[1] == padded_length(max(LENGTHS))
    rows = jax.jit(case.task.answer)(case.params, case.collections, jax.tree.map(jnp.asarray, batch))
    assert_same([np.asarray(row)[:length] for row, length in zip(rows, LENGTHS, strict=False)], case.whole)


@pytest.mark.parametrize("window", [1, 5, 149, 150])
def test_answers_in_windows_are_those_of_the_whole(window, case, videos):
    """Also in windows shorter than what an answer depends on."""
    assert sum(case.task.context) > 5
    some = slice(2, None) if window > 1 else slice(1, 2)
    assert_same(case(videos[some], window=window), case.whole[some])


def test_answers_of_a_causal_network_in_windows_are_those_of_the_whole(causal, videos):
    assert causal.task.context[1] == 0
    assert_same(causal(videos[2:], window=40), causal.whole[2:])


def test_there_are_no_more_programs_than_lengths(assets, videos):
    traced = []

    class Counted(SegmentationTask):
        def answer(self, params, collections, batch):
            traced.append(batch["features"].shape)
            return super().answer(params, collections, batch)

    plain = make_case("segmentation", assets)
    task = Counted(head=plain.task.head)
    rng = np.random.default_rng(1)
    many = [rng.normal(size=(length, DIM)).astype(np.float32) for length in range(20, 200, 9)]
    counted = dataclasses.replace(plain, task=task)
    counted(many)
    lengths = {padded_length(len(video)) for video in many}
    assert sorted(traced) == [(1, length, DIM) for length in sorted(lengths)] and len(lengths) == 6
    traced.clear()
    counted(many, window=50)
    # Those that fit into a window, and one for all windows of longer ones, at their edges as amid them.
    assert sorted(traced) == [(1, 64, DIM), (1, padded_length(50 + 2 * 14), DIM)]


# Streams


@pytest.mark.parametrize("sizes", [(1,), (30, 2)])
def test_a_stream_is_answered_as_the_whole(sizes, causal, videos):
    """Frame by frame, and in chunks of varying size."""
    video = videos[2]
    starts = np.minimum(np.cumsum([0, *(sizes * len(video))]), len(video))
    chunks = [video[start:end] for start, end in itertools.pairwise(starts) if end > start]
    answers = causal.stream(chunks)
    assert [len(answer) for answer in answers] == [len(chunk) for chunk in chunks]
    assert_same([np.concatenate(answers)], causal.whole[2:3])


def test_each_stream_begins_anew(causal, videos):
    answers = causal.answers()
    for _ in range(2):
        streamed = answers.stream(causal.params, causal.collections, [videos[2][:30], videos[2][30:32]])
        assert_same([np.concatenate(list(streamed))], [causal.whole[2][:32]])


def test_a_network_that_sees_frames_to_come_cannot_be_streamed(case, videos):
    with pytest.raises(ConfigError, match="cannot be streamed; train one with causal=True"):
        case.stream([videos[0]])


# Mistakes


@pytest.mark.parametrize("way", ["whole", "stream"])
def test_features_of_another_number_and_empty_videos_are_refused(way, causal):
    answer = causal if way == "whole" else causal.stream
    with pytest.raises(DataError, match="has 7 features a frame, but the run was trained on 6; compute them as those"):
        answer([np.zeros((9, DIM + 1), np.float32)])
    with pytest.raises(DataError, match="a video has no frame; leave it out"):
        answer([np.zeros((0, DIM), np.float32)])


def test_a_task_or_data_of_another_kind_are_refused(task, settings, assets):
    with pytest.raises(ConfigError, match="DanceTextTask answers no frames of videos; choose a run on SegmentedVideos"):
        FrameAnswers(task, SegmentedVideos(), assets)
    with pytest.raises(ConfigError, match="choose a run on SegmentedVideos"):
        FrameAnswers(make_task("alignment", causal=False), settings, assets)


def test_a_window_out_of_range_is_refused(case):
    with pytest.raises(ConfigError, match="window is 0; give 1 frame or more"):
        case.answers(window=0)


def test_a_run_without_its_scale_is_incomplete(case, tmp_path):
    with pytest.raises(DataError, match=r"videos\.json: cannot be read .*; the run is incomplete"):
        FrameAnswers(case.task, SegmentedVideos(), tmp_path)
