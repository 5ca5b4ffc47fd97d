import dataclasses

import numpy as np
import pytest

from jaxmm.data.sign.layout import HOLISTIC, Part, SignLayout
from jaxmm.errors import ConfigError


def test_parts_follow_each_other_without_a_gap():
    slices = [HOLISTIC.part_features(part.name) for part in HOLISTIC.parts]
    assert [(own.start, own.stop) for own in slices] == [(0, 132), (132, 195), (195, 258), (258, 540)]


@pytest.mark.parametrize(
    ("landmark", "coord", "place"),
    [
        ("body/NOSE", "x", 0),
        ("body/LEFT_SHOULDER", "visibility", 47),
        ("right_hand/WRIST", "z", 197),
        ("face/466", "z", 539),
    ],
)
def test_a_feature_is_named_by_landmark_and_coordinate(landmark, coord, place):
    """D13."""
    assert HOLISTIC.feature(landmark, coord) == place


def test_positions_leave_the_visibility_out():
    frame = np.arange(540, dtype=np.float32)
    positions = frame[HOLISTIC.position_features]
    assert positions.shape == (169, 3)
    assert positions[1].tolist() == [4, 5, 6]
    assert positions[HOLISTIC.landmark("left_hand/WRIST")].tolist() == [132, 133, 134]


def test_every_number_belongs_to_the_landmark_whose_position_it_is():
    owners = HOLISTIC.landmark_of_feature[HOLISTIC.position_features]
    assert (owners == np.arange(169)[:, None]).all()
    assert HOLISTIC.landmark_of_feature[HOLISTIC.feature("body/LEFT_HIP", "visibility")] == 23


def test_a_landmark_at_zero_is_not_detected_and_visibility_does_not_count():
    frames = np.zeros((2, 540), np.float32)
    frames[0, HOLISTIC.feature("body/NOSE", "visibility")] = 1
    frames[1, HOLISTIC.feature("face/1", "z")] = 0.5
    detected = HOLISTIC.detected(frames)
    assert not detected[0].any()
    assert np.flatnonzero(detected[1]).tolist() == [HOLISTIC.landmark("face/1")]


def test_bones_join_landmarks_of_one_part():
    starts, ends = np.array(HOLISTIC.bones).T
    assert (HOLISTIC.part_of_landmark[starts] == HOLISTIC.part_of_landmark[ends]).all()
    elbow = (HOLISTIC.landmark("body/LEFT_ELBOW"), HOLISTIC.landmark("body/LEFT_WRIST"))
    assert elbow in HOLISTIC.bones


def test_every_finger_hangs_from_the_wrist():
    hand = HOLISTIC.part("left_hand")
    reached = {"WRIST"}
    for _ in hand.landmarks:
        reached |= {end for bone in hand.bones for end in bone if set(bone) & reached}
    assert reached == set(hand.landmarks)


def test_mistakes_are_named():
    with pytest.raises(ConfigError, match="no part 'tail'; choose among body, left_hand, right_hand, face"):
        HOLISTIC.part("tail")
    with pytest.raises(ConfigError, match="write part/landmark"):
        HOLISTIC.landmark("NOSE")
    with pytest.raises(ConfigError, match="has no coordinate 'visibility'"):
        HOLISTIC.feature("face/1", "visibility")
    hand = HOLISTIC.part("left_hand")
    with pytest.raises(ConfigError, match="names of parts repeat"):
        SignLayout(parts=(hand, hand))
    with pytest.raises(ConfigError, match="end in FIN, which it lacks"):
        dataclasses.replace(hand, bones=(("WRIST", "FIN"),))
    with pytest.raises(ConfigError, match="begin with x, y, z"):
        Part(name="flat", landmarks=("a",), coords=("x", "y"))
    with pytest.raises(ConfigError, match="repeat"):
        Part(name="twins", landmarks=("a", "a"))
