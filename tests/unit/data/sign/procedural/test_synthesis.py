"""Synthetic signing: reproducible, anatomically constant, smooth, and each sign plainly its own."""

import hashlib
import itertools
import subprocess
import sys

import numpy as np
import pytest

from jaxmm.data.sign.layout import HOLISTIC
from jaxmm.data.sign.procedural import LEXICON, Sentence, Signer, all_sentences, perform, sentences, signs, synthesize
from jaxmm.data.sign.procedural.figure import pose
from jaxmm.errors import ConfigError

SIGN = {sign.gloss: sign for sign in LEXICON}
SIDES = ("left", "right")
MOUTH = ("face/13", "face/14")


def sentence(gloss):
    return Sentence(tuple(SIGN[word] for word in gloss.split()))


def positions_of(frames):
    return frames[:, HOLISTIC.position_features].astype(np.float64)


def track(frames, landmark):
    return positions_of(frames)[:, HOLISTIC.landmark(landmark)]


def neutral(gloss, **signer):
    return pose(Signer(**signer), perform(sentence(gloss), Signer(**signer), fps=25.0))


def mirrored(frames):
    """Exchanges left and right of body and hands; of the face, whose numbers have no sides, only x."""
    names = list(HOLISTIC.landmarks)

    def other(name):
        for one, two in (("LEFT", "RIGHT"), ("left_hand", "right_hand")):
            if one in name or two in name:
                return name.replace(one, "?").replace(two, one).replace("?", two)
        return name

    order = [names.index(other(name)) for name in names]
    return positions_of(frames)[:, order] * (-1.0, 1.0, 1.0)


@pytest.fixture(scope="module")
def clips():
    chosen = (*(Sentence((sign,)) for sign in LEXICON), *all_sentences()[40::60])
    return [synthesize(one, seed=3, take=index % 8) for index, one in enumerate(chosen)]


def test_clips_say_what_they_are():
    clip = synthesize(sentence("TOMORROW FRIEND HOUSE BUILD"), seed=0, take=1)
    assert clip.key == "TOMORROW-FRIEND-HOUSE-BUILD__take1"
    assert (clip.gloss, clip.sentence) == ("TOMORROW FRIEND HOUSE BUILD", "Tomorrow a friend builds a house.")
    assert clip.tags == {"origin": "synthetic", "split": sentence("TOMORROW FRIEND HOUSE BUILD").split}
    assert clip.signer.startswith("signer") and clip.fps == 25.0


def test_every_clip_is_finite_and_fits_128_frames(clips):
    assert all(np.isfinite(clip.frames).all() for clip in clips)
    assert all(25 <= clip.num_frames <= 128 for clip in clips)
    # The slowest and widest signer of all that can be drawn.
    slow = Signer(tempo=0.92 * 0.96, amplitude=1.15)
    longest = max(len(perform(one, slow, fps=25.0).head) for one in sentences("train")[-2000::4] if len(one.signs) == 4)
    assert 100 < longest <= 128


def test_every_landmark_is_detected_in_every_frame(clips):
    for clip in clips:
        assert HOLISTIC.detected(clip.frames).all(), clip.key
        assert np.abs(positions_of(clip.frames)).max(axis=-1).min() > 1e-3, clip.key


def test_upper_body_is_visible_and_legs_are_not(clips):
    frames = clips[0].frames
    upper = [
        frames[:, HOLISTIC.feature(f"body/{name}", "visibility")] for name in ("NOSE", "LEFT_WRIST", "RIGHT_ELBOW")
    ]
    assert np.min(upper) > 0.9
    assert frames[:, HOLISTIC.feature("body/LEFT_KNEE", "visibility")].max() < 0.1


def test_bones_of_body_and_hands_keep_their_lengths(clips):
    face = HOLISTIC.part_landmarks("face").start
    starts, ends = np.array([bone for bone in HOLISTIC.bones if max(bone) < face]).T
    for clip in clips:
        positions = positions_of(clip.frames)
        lengths = np.linalg.norm(positions[:, starts] - positions[:, ends], axis=-1)
        assert np.ptp(lengths, axis=0).max() < 1e-5, clip.key
        assert lengths.min() > 0.03, clip.key


def test_shoulders_are_one_apart_and_proportions_differ_between_signers(clips):
    arms = {}
    for clip in clips:
        positions = [track(clip.frames, f"body/LEFT_{joint}") for joint in ("SHOULDER", "ELBOW", "WRIST")]
        across = positions[0] - track(clip.frames, "body/RIGHT_SHOULDER")
        np.testing.assert_allclose(np.linalg.norm(across, axis=-1), 1.0, atol=1e-5)
        arms.setdefault(clip.signer, []).append(np.linalg.norm(positions[1] - positions[2], axis=-1)[0])
    assert len(arms) == 8
    assert all(np.ptp(lengths) < 1e-5 for lengths in arms.values())
    assert np.ptp([lengths[0] for lengths in arms.values()]) > 0.02


def test_hands_stay_on_their_arms(clips):
    for clip in clips:
        for side in SIDES:
            for body, hand in (("WRIST", "WRIST"), ("INDEX", "INDEX_FINGER_MCP"), ("PINKY", "PINKY_MCP")):
                np.testing.assert_array_equal(
                    track(clip.frames, f"body/{side.upper()}_{body}"), track(clip.frames, f"{side}_hand/{hand}")
                )


def test_joints_bend_as_a_person_bends_them(clips):
    for clip in clips:
        for side in SIDES:
            names = (f"body/{side.upper()}_SHOULDER", f"body/{side.upper()}_ELBOW", f"body/{side.upper()}_WRIST")
            shoulder, elbow, wrist = (track(clip.frames, name) for name in names)
            knuckle = track(clip.frames, f"{side}_hand/MIDDLE_FINGER_MCP")
            assert angle(shoulder - elbow, wrist - elbow).min() > 27, clip.key
            assert angle(wrist - elbow, knuckle - wrist).max() < 85, clip.key


def angle(one, other):
    cosine = (one * other).sum(-1) / np.linalg.norm(one, axis=-1) / np.linalg.norm(other, axis=-1)
    return np.degrees(np.arccos(np.clip(cosine, -1.0, 1.0)))


def test_no_landmark_jumps(clips):
    for clip in clips:
        speed = np.diff(positions_of(clip.frames), axis=0)
        assert np.linalg.norm(speed, axis=-1).max() < 0.65, clip.key
        assert np.linalg.norm(np.diff(speed, axis=0), axis=-1).max() < 0.55, clip.key


def test_signing_begins_and_ends_at_rest(clips):
    for clip in clips:
        for side in SIDES:
            wrist = track(clip.frames, f"body/{side.upper()}_WRIST")
            assert wrist[[0, -1], 1].min() > 1.1, clip.key
            assert np.linalg.norm(np.diff(wrist, axis=0), axis=-1)[[0, -1]].max() < 0.03, clip.key


def test_sizes_are_those_of_recorded_signing(shared_data):
    path = shared_data / "sign/fingerspelling/features540.npz"
    if not path.exists():
        pytest.skip("no recordings of fingerspelling beside the checkout")
    with np.load(path) as archive:
        recorded = np.concatenate([archive[key].astype(np.float32) for key in archive.files[:200]])
    here = synthesize(sentence("CHILD"), seed=0, take=0).frames
    names = [f"body/{name}" for name in ("NOSE", "LEFT_EYE", "RIGHT_EYE", "MOUTH_LEFT", "LEFT_SHOULDER", "RIGHT_HIP")]
    names += [f"face/{number}" for number in (61, 291, 0, 17, 33, 263, 133, 362, 46, 276, 1, 152)]
    for name in names:
        index = HOLISTIC.landmark(name)
        seen = recorded[HOLISTIC.detected(recorded)[:, index]][:, HOLISTIC.position_features[index, :2]]
        np.testing.assert_allclose(
            np.median(track(here, name)[:, :2], axis=0), np.median(seen, axis=0), atol=0.12, err_msg=name
        )


def test_signs_are_told_apart_across_signers():
    hands = slice(HOLISTIC.part_landmarks("left_hand").start, HOLISTIC.part_landmarks("right_hand").stop)
    features, glosses, signers = [], [], []
    for sign, take in itertools.product(LEXICON, range(6)):
        clip = synthesize(Sentence((sign,)), seed=0, take=take)
        at = np.linspace(0, clip.num_frames - 1, 16).round().astype(int)
        features.append(positions_of(clip.frames)[at, hands].ravel())
        glosses.append(sign.gloss)
        signers.append(clip.signer)
    features, glosses, signers = np.array(features), np.array(glosses), np.array(signers)
    distance = ((features[:, None] - features) ** 2).sum(-1)
    distance[signers[:, None] == signers] = np.inf
    assert (glosses[distance.argmin(axis=1)] == glosses).mean() > 0.95


def test_one_hand_rests_unless_both_sign():
    alone, both = neutral("YOU"), neutral("TABLE")
    assert np.ptp(track(alone, "body/LEFT_WRIST"), axis=0).max() < 1e-6
    assert np.ptp(track(alone, "body/RIGHT_WRIST"), axis=0).max() > 0.5
    left, right = (track(both, f"{side}_hand/INDEX_FINGER_TIP") for side in SIDES)
    np.testing.assert_allclose(left, right * (-1.0, 1.0, 1.0), atol=1e-6)


def test_left_handed_signing_is_the_mirror_image():
    for gloss in ("TOMORROW FRIEND HOUSE BUILD", "SEE"):
        right, left = neutral(gloss), neutral(gloss, left_handed=True)
        end = HOLISTIC.part_landmarks("face").start
        np.testing.assert_allclose(mirrored(left)[:, :end], positions_of(right)[:, :end], atol=1e-6)


def test_the_mouth_opens_with_the_signs_that_open_it():
    for gloss in ("TABLE", "MOTHER", "YESTERDAY"):
        frames = neutral(gloss)
        apart = track(frames, MOUTH[1])[:, 1] - track(frames, MOUTH[0])[:, 1]
        wide = apart > 0.03
        assert int(wide[0]) + int((wide[1:] & ~wide[:-1]).sum()) == SIGN[gloss].num_openings


def test_brows_rise_with_signs_of_time_alone():
    for gloss, raised in (("NOW", True), ("HOUSE", False)):
        assert (np.ptp(track(neutral(gloss), "face/105")[:, 1]) > 0.02) == raised


def test_eyes_blink():
    frames = synthesize(sentence("TOMORROW FRIEND HOUSE BUILD"), seed=0, take=0).frames
    apart = np.linalg.norm(track(frames, "face/386") - track(frames, "face/374"), axis=-1)
    assert apart.min() < 0.5 * apart.max()


def test_same_arguments_give_the_same_clip_and_others_another():
    one = sentence("HOUSE BUILD")
    first = synthesize(one, seed=5, take=1)
    np.testing.assert_array_equal(first.frames, synthesize(one, seed=5, take=1).frames)
    for seed, take in ((5, 2), (6, 1)):
        other = synthesize(one, seed=seed, take=take).frames
        assert other.shape != first.frames.shape or np.abs(other - first.frames).max() > 0.01


def test_another_process_gives_the_same_clip():
    program = (
        "import hashlib\n"
        "from jaxmm.data.sign.procedural import all_sentences, synthesize\n"
        "clip = synthesize(all_sentences()[500], seed=1, take=2)\n"
        "print(hashlib.sha256(clip.frames.tobytes()).hexdigest())\n"
    )
    there = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    here = synthesize(all_sentences()[500], seed=1, take=2)
    assert there.stdout.strip() == hashlib.sha256(here.frames.tobytes()).hexdigest()


def test_takes_of_a_sentence_are_of_different_signers():
    clips = list(itertools.islice(signs("train", seed=0, takes=4, num_glosses=8, num_signers=4), 4))
    assert len({clip.gloss for clip in clips}) == 1
    assert {clip.signer for clip in clips} == {f"signer{index}" for index in range(4)}


def test_signs_of_a_split_are_its_sentences_times_the_takes():
    clips = list(signs("val", seed=0, takes=2, num_glosses=12, num_sentences=5))
    expected = [one.gloss for one in sentences("val", num_glosses=12, num_sentences=5) for _ in range(2)]
    assert [clip.gloss for clip in clips] == expected
    assert {clip.tags["split"] for clip in clips} == {"val"}
    assert len({clip.key for clip in clips}) == 10


@pytest.mark.parametrize("wrong", [{"takes": 0}, {"seed": -1}, {"num_signers": 0}, {"num_glosses": 3}])
def test_numbers_out_of_range_are_an_error(wrong):
    with pytest.raises(ConfigError, match="procedural signing"):
        signs("train", **({"seed": 0, "takes": 1} | wrong))


def test_a_signer_of_a_negative_number_is_an_error():
    with pytest.raises(ConfigError, match="give numbers >= 0"):
        Signer.draw(seed=0, index=-1)
