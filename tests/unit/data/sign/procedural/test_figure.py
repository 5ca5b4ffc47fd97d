"""The parts of the signing figure: hands that take their shapes, and a face with an expression."""

import numpy as np

from jaxmm.data.sign.layout import HOLISTIC
from jaxmm.data.sign.procedural.face import HEAD_LANDMARKS, face_landmarks
from jaxmm.data.sign.procedural.hand import hand_landmarks
from jaxmm.data.sign.procedural.phonology import FINGERS, HAND_SHAPES, MOVEMENT_SECONDS, arm_pose, movement_path

HAND = {name: index for index, name in enumerate(HOLISTIC.part("right_hand").landmarks)}
FACE = {name: index for index, name in enumerate(HOLISTIC.part("face").landmarks)}
TIPS = [HAND[f"{finger}_TIP"] for finger in ("INDEX_FINGER", "MIDDLE_FINGER", "RING_FINGER", "PINKY")]


def hand(shape):
    return hand_landmarks(arm_pose(shape, "rest")[FINGERS])


def test_hands_take_their_shapes():
    reach = {shape: np.linalg.norm(hand(shape)[TIPS], axis=-1) for shape in HAND_SHAPES}
    assert reach["fist"].max() < 0.3 < 0.38 < reach["flat"].min()
    assert reach["point"][0] > 0.5 and reach["point"][1:].max() < 0.3
    assert reach["vee"][:2].min() > 0.5 and reach["vee"][2:].max() < 0.3
    assert hand("ell")[HAND["THUMB_TIP"], 0] > 0.3 > hand("point")[HAND["THUMB_TIP"], 0]
    apart = {shape: np.linalg.norm(hand(shape)[TIPS[0]] - hand(shape)[TIPS[3]]) for shape in ("flat", "spread")}
    assert apart["spread"] > 1.3 * apart["flat"]
    assert np.linalg.norm(hand("pinch")[TIPS[0]] - hand("pinch")[HAND["THUMB_TIP"]]) < 0.15


def test_fingers_bend_to_the_palm():
    for shape in HAND_SHAPES:
        assert hand(shape)[..., 2].max() < 1e-6, shape


def test_a_batch_of_hands_is_each_hand():
    fingers = np.stack([arm_pose(shape, "rest")[FINGERS] for shape in HAND_SHAPES])
    for shape, landmarks in zip(HAND_SHAPES, hand_landmarks(fingers), strict=True):
        np.testing.assert_allclose(landmarks, hand(shape), atol=1e-12)


def test_movements_begin_and_end_at_rest():
    part = np.array([0.0, 1e-3, 1.0 - 1e-3, 1.0])
    for movement in MOVEMENT_SECONDS:
        path = movement_path(movement, part)
        np.testing.assert_allclose(path[[0, 2]], path[[1, 3]], atol=1e-6, err_msg=movement)


def test_the_face_is_symmetric():
    for expression in np.eye(3):
        face = face_landmarks(expression)
        distance = np.linalg.norm(face[:, None] * (-1.0, 1.0, 1.0) - face, axis=-1)
        assert distance.min(axis=1).max() < 1e-9


def test_eyes_nose_and_mouth_lie_where_they_should():
    face = face_landmarks(np.zeros(3))
    right, left, nose, chin = (face[FACE[number]] for number in ("33", "263", "1", "152"))
    assert right[0] < 0 < left[0]
    brow, upper_lip, lower_lip = (face[FACE[number], 1] for number in ("105", "0", "17"))
    assert brow < right[1] < nose[1] < upper_lip < lower_lip < chin[1] < 0
    assert nose[2] == face[:, 2].min()


def test_no_expression_moves_the_landmarks_of_the_body_block():
    rest, strong = face_landmarks(np.zeros(3)), face_landmarks(np.ones(3))
    for name, number in (("NOSE", "1"), ("MOUTH_LEFT", "291"), ("LEFT_EYE_OUTER", "263"), ("RIGHT_EYE_INNER", "133")):
        np.testing.assert_allclose(rest[FACE[number]], HEAD_LANDMARKS[name])
        np.testing.assert_allclose(strong[FACE[number]], HEAD_LANDMARKS[name], atol=1e-9)


def test_lips_part_and_lids_close():
    rest, opened, closed, raised = face_landmarks(np.concatenate([np.zeros((1, 3)), np.eye(3)]))
    assert opened[FACE["14"], 1] - opened[FACE["13"], 1] > 0.05 > rest[FACE["14"], 1] - rest[FACE["13"], 1]
    assert closed[FACE["145"], 1] - closed[FACE["159"], 1] < 0.01 < rest[FACE["145"], 1] - rest[FACE["159"], 1]
    assert raised[FACE["105"], 1] < rest[FACE["105"], 1] - 0.02
