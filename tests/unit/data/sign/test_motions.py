import numpy as np
import pytest

from jaxmm.data.motion import other_side
from jaxmm.data.sign.clip import SignClip
from jaxmm.data.sign.layout import HOLISTIC
from jaxmm.data.sign.motions import SHOULDER_METRES, as_motion, signing_skeleton
from jaxmm.errors import DataError


def showing(landmark, place):
    """One frame in which one landmark lies at a place, in shoulder widths."""
    frames = np.zeros((1, 540), np.float32)
    frames[0, HOLISTIC.position_features[HOLISTIC.landmark(landmark)]] = place
    return SignClip(key="one", frames=frames, fps=25.0, gloss="ONE", tags={"split": "val"})


def test_up_is_up_and_a_landmark_nearer_to_the_camera_lies_in_front():
    motion = as_motion(showing("right_hand/THUMB_TIP", (1, 2, 3)), text="gloss")
    thumb = motion.skeleton.joint_names.index("right_hand/THUMB_TIP")
    np.testing.assert_allclose(motion.positions[0, thumb], SHOULDER_METRES * np.array([1, -2, -3]), rtol=1e-6)
    assert not np.delete(motion.positions, thumb, axis=1).any()
    assert motion.tags == {"split": "val"}


def test_every_finger_hangs_from_its_wrist_and_every_hand_from_its_arm():
    skeleton = signing_skeleton()
    parent = {
        name: skeleton.joint_names[above] for name, above in zip(skeleton.joint_names, skeleton.parents, strict=True)
    }
    for side in ("left", "right"):
        assert parent[f"{side}_hand/WRIST"] == f"body/{side.upper()}_WRIST"
        assert parent[f"{side}_hand/PINKY_TIP"] == f"{side}_hand/PINKY_DIP"
        name = f"{side}_hand/PINKY_TIP"
        while name != "body/NOSE":
            name = parent[name]
            assert other_side(name) in parent
    mirrored = [skeleton.joint_names[partner] for partner in skeleton.mirror_index()]
    assert mirrored == [other_side(name) for name in skeleton.joint_names]


def test_a_clip_without_the_text_is_named():
    with pytest.raises(DataError, match="one: has no sentence"):
        as_motion(showing("body/NOSE", 1), text="sentence")
