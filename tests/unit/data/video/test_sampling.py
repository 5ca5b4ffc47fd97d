import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxmm.data.video.sampling import DenseFrames, SegmentFrames, UniformFrames
from jaxmm.errors import ConfigError

SAMPLINGS = [UniformFrames(), SegmentFrames(), DenseFrames(), DenseFrames(stride=3)]
RNG = st.one_of(st.none(), st.integers(0, 10**6))


@pytest.mark.parametrize("sampling", SAMPLINGS, ids=repr)
@given(num_frames=st.integers(1, 300), most=st.integers(1, 40), seed=RNG)
def test_frames_are_of_the_video_distinct_and_in_order(sampling, num_frames, most, seed):
    def pick():
        return sampling.pick(num_frames, most, None if seed is None else np.random.default_rng(seed))

    picked = pick()
    assert picked.dtype == np.int64 and 1 <= len(picked) <= most
    assert picked[0] >= 0 and picked[-1] < num_frames
    assert (np.diff(picked) > 0).all()
    np.testing.assert_array_equal(picked, pick())
    stride = getattr(sampling, "stride", 1)
    assert len(picked) == min(most, -(-num_frames // stride))


@given(num_frames=st.integers(1, 300), most=st.integers(1, 40), seed=RNG)
def test_each_part_of_a_video_has_one_frame_of_segments(num_frames, most, seed):
    picked = SegmentFrames().pick(num_frames, most, None if seed is None else np.random.default_rng(seed))
    if num_frames > most:
        bounds = np.arange(most + 1) * num_frames // most
        assert (bounds[:-1] <= picked).all() and (picked < bounds[1:]).all()


@given(num_frames=st.integers(41, 300), most=st.integers(2, 40), seed=RNG)
def test_uniform_frames_are_as_far_from_each_other_as_can_be(num_frames, most, seed):
    steps = np.diff(UniformFrames().pick(num_frames, most, None if seed is None else np.random.default_rng(seed)))
    assert steps.max() - steps.min() <= 1 and abs(steps.mean() - num_frames / most) <= 1


def test_every_frame_is_drawn_and_the_middle_is_taken_otherwise():
    rng = np.random.default_rng(0)
    for sampling in SAMPLINGS:
        drawn = np.concatenate([sampling.pick(20, 4, rng) for _ in range(400)])
        assert set(drawn.tolist()) == set(range(20)), sampling
        middle = sampling.pick(21, 4)
        assert abs(middle.mean() - 10) <= 1, sampling


def test_a_stride_below_one_is_refused():
    with pytest.raises(ConfigError, match=r"sampling.stride is 0; give 1 or more"):
        DenseFrames(stride=0)
