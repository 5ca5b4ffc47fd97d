"""Batches have few lengths, so that few programs are compiled."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxmm.data.segmentation.sources import SegmentationFolder
from jaxmm.data.segmented import SegmentedVideos, padded_length

from ..kinds import first_batches
from .conftest import reopened


@given(num_frames=st.integers(1, 10**7))
def test_a_padded_length_is_the_smallest_of_few(num_frames):
    length = padded_length(num_frames)
    assert num_frames <= length <= max(64, 1.25 * num_frames + 8)
    assert length % 8 == 0 and padded_length(length) == length
    assert padded_length(num_frames + 1) >= length


def test_lengths_grow_by_a_quarter_so_that_they_are_few():
    lengths = sorted({padded_length(num_frames) for num_frames in range(1, 20_001)})
    assert all(long >= 1.25 * short for short, long in itertools.pairwise(lengths))
    assert len(lengths) <= 2 + np.log(20_000 / 64) / np.log(1.25)


def test_a_batch_is_as_long_as_its_own_longest_video_and_not_that_of_the_data(opened):
    batches = first_batches(opened, 9)
    longest = [int(batch["frame_mask"].sum(axis=1).max()) for batch in batches]
    assert [batch["features"].shape[1] for batch in batches] == [padded_length(own) for own in longest]
    assert {padded_length(own) for own in longest} >= {80, 352}


def test_processes_share_a_batch_and_agree_on_its_length(opened):
    data = reopened(opened, max_frames=100, most_speed=1.5)
    whole = first_batches(data, 9)
    parts = [first_batches(data, 9, process=process, num_processes=2) for process in range(2)]
    shorter = 0
    for step, batch in enumerate(whole):
        for name, rows in batch.items():
            np.testing.assert_array_equal(rows, np.concatenate([part[step][name] for part in parts]))
        lengths = [padded_length(int(part[step]["frame_mask"].sum(axis=1).max())) for part in parts]
        shorter += min(lengths) < batch["features"].shape[1]
    assert shorter > 3  # alone, these processes would have made other shapes


@pytest.mark.parametrize("most_speed", [1.0, 1.25])
def test_real_salads_have_at_most_eight_lengths(most_speed, salads, cache, tmp_path):
    """The number that is stated of 50 Salads: five as they are, and seven at varied speed."""
    del cache
    source = SegmentationFolder(dim=(56,))
    settings = SegmentedVideos(source=source, root=str(salads), num_threads=1, most_speed=most_speed)
    data = settings.open(tmp_path)
    lengths = [video.num_frames for split in ("train", "val", "test") for video in data.videos(split)]
    shortest, longest = round(min(lengths) / most_speed), round(max(lengths) * most_speed)
    possible = {padded_length(num_frames) for num_frames in range(shortest, longest + 1)}
    assert len(possible) == (5 if most_speed == 1 else 7)
    met = {batch["features"].shape[1] for batch in first_batches(data, 3 * data.steps_per_epoch)}
    assert met <= possible and len(met) > 1
