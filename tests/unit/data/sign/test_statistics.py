import numpy as np
import pytest

from jaxmm.data.sign.clip import SignClip
from jaxmm.data.sign.layout import HOLISTIC
from jaxmm.data.sign.statistics import STD_FLOOR, Statistics
from jaxmm.errors import DataError

FRAMES = np.random.default_rng(0).normal(size=(4, 540)).astype(np.float32)
LEFT = HOLISTIC.part_features("left_hand")


def clip(key="a", frames=FRAMES):
    return SignClip(key=key, frames=frames, fps=25.0, gloss="HELLO")


def test_statistics_are_those_of_detected_landmarks():
    rng = np.random.default_rng(3)
    frames = [rng.normal(3, 2, size=(length, 540)).astype(np.float32) for length in (5, 40, 1)]
    frames[0][:, LEFT] = 0
    frames[1][::2, LEFT] = 0
    statistics = Statistics.of(clip(str(index), own) for index, own in enumerate(frames))
    everything = np.concatenate(frames).astype(np.float64)
    seen = everything[HOLISTIC.detected(everything)[:, HOLISTIC.landmark("left_hand/WRIST")]]
    assert len(seen) == 21
    np.testing.assert_allclose(statistics.mean[LEFT], seen[:, LEFT].mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(statistics.std[LEFT], seen[:, LEFT].std(axis=0), rtol=1e-5)
    np.testing.assert_allclose(statistics.mean[:132], everything[:, :132].mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(statistics.std[:132], everything[:, :132].std(axis=0), rtol=1e-5)


def test_features_that_do_not_move_or_were_never_seen_have_a_deviation_to_divide_by():
    frames = np.ones((6, 540), np.float32)
    frames[:, LEFT] = 0
    statistics = Statistics.of([clip(frames=frames)])
    assert np.allclose(statistics.std[:132], STD_FLOOR) and (statistics.std[LEFT] == 1).all()
    assert (statistics.mean[LEFT] == 0).all()


def test_the_undetected_stays_zero_and_the_rest_is_restored(tmp_path):
    frames = FRAMES.copy()
    frames[1:3, LEFT] = 0
    statistics = Statistics(
        mean=np.linspace(-1, 1, 540).astype(np.float32), std=np.linspace(0, 2, 540).astype(np.float32)
    )
    normal = statistics.normalise(np.stack([frames, frames]))
    assert not normal[:, 1:3, LEFT].any()
    expected = (frames - statistics.mean) / (statistics.std + 1e-6)
    np.testing.assert_allclose(normal[0, 0], expected[0], rtol=1e-6)
    np.testing.assert_allclose(statistics.restore(normal[0], HOLISTIC.detected(frames)), frames, atol=1e-5)
    np.testing.assert_allclose(statistics.restore(normal)[1, 1, LEFT], statistics.mean[LEFT], atol=1e-6)


def test_statistics_come_back_and_missing_ones_say_how_they_are_made(tmp_path):
    """D11."""
    statistics = Statistics.of([clip()])
    statistics.write(tmp_path / "statistics.npz")
    back = Statistics.read(tmp_path / "statistics.npz")
    np.testing.assert_array_equal(back.mean, statistics.mean)
    np.testing.assert_array_equal(back.std, statistics.std)
    with pytest.raises(DataError, match=r"no such file; `jaxmm data prepare-sign` writes it.*set normalize to False"):
        Statistics.read(tmp_path / "none.npz")


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"feature_mean": np.zeros(540)}, r"s\.npz: no array feature_std"),
        ({"feature_mean": np.zeros(3), "feature_std": np.zeros(3)}, r"float64 \(3,\); expected floats \(540,\)"),
        ({"feature_mean": np.zeros(540), "feature_std": np.arange(540)}, r"int64 \(540,\); expected floats"),
        ({"feature_mean": np.zeros(540), "feature_std": np.full(540, -1.0)}, r"s\.npz: statistics: .* negative"),
        ({"feature_mean": np.full(540, 1e300), "feature_std": np.ones(540)}, "not finite"),
        ({"feature_mean": np.array([{}] * 540), "feature_std": np.ones(540)}, "Python objects"),
    ],
)
def test_damaged_statistics_are_refused(arrays, message, tmp_path):
    np.savez(tmp_path / "s.npz", allow_pickle=True, **arrays)
    with pytest.raises(DataError, match=message):
        Statistics.read(tmp_path / "s.npz")


def test_statistics_of_nothing_are_refused():
    with pytest.raises(DataError, match="no recording to compute statistics of"):
        Statistics.of([])
