"""What the check of signing says of one clip."""

import dataclasses
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from jaxmm.data.sign import check
from jaxmm.data.sign.check import SignFindings
from jaxmm.data.sign.clip import SignClip
from jaxmm.data.sign.layout import HOLISTIC
from jaxmm.data.sign.statistics import Statistics
from jaxmm.data.splits import TagSplit

from .signing import HANDS, X, build, changed, clear, found, of, placed, signing

WRIST_X, WRIST_Z = (HOLISTIC.feature("right_hand/WRIST", axis) for axis in "xz")


def shoulders(frames):
    for side in ("LEFT", "RIGHT"):
        start = HOLISTIC.feature(f"body/{side}_SHOULDER", "x")
        frames[:, start : start + 3] = 0


def flung(feature, amount, rows=slice(3, 5)):
    def change(frames):
        frames[rows, feature] += amount

    return change


@pytest.mark.parametrize(
    ("change", "kind", "message"),
    [
        (clear, "empty", "nothing is ever in sight"),
        (lambda f: clear(f, [7, 9]), "empty", r"frame 7 shows nothing \(2 such frames of \d+\); cut them away"),
        (lambda f: clear(f, columns=HANDS), "hands", "no hand is ever in sight"),
        (shoulders, "shoulders", "no frame shows both shoulders"),
        (placed(0.3, 0.3), "unit", r"the shoulders are 0\.3 wide and their middle is at \(.*\); give landmarks in"),
        (placed(200, 200), "unit", "the shoulders are 200 wide"),
        (placed(1, 1, aside=1.6), "unit", r"the shoulders are 1 wide and their middle is at \(1\.\d+, -?0\)"),
        (placed(-1, 1), "axes", "the left shoulder is to the right of the other; let x grow to the left"),
        (placed(1, -1), "axes", "the nose is below the shoulders; let y grow downwards"),
        (flung(WRIST_X, 9), "far", r"in frame 3 \(2 such frames\) right_hand/WRIST is .* widths of the shoulders away"),
        (flung(WRIST_Z, 9), "far", r"in frame 3 \(2 such frames\) right_hand/WRIST"),
        (
            flung(WRIST_X, 4),
            "jump",
            r"in frame 3 \(2 such frames\) right_hand/WRIST is \d+ widths of the shoulders a second away from",
        ),
    ],
)
def test_what_no_camera_sees_of_a_signer_is_told(change, kind, message, tmp_path):
    clip = changed("clip", change)
    problems = of(clip)
    assert set(problems) == {kind}
    (told,) = problems[kind]
    assert told.startswith("clip: ")
    assert re.search(message, told)
    assert set(found(build(tmp_path / "signs", [clip, signing("sound", 1)]))) == {kind}


def test_a_landmark_on_its_way_into_sight_does_not_jump():
    def late(frames):
        frames[::2, HANDS] = 0

    assert of(changed("clip", late)) == {}


def test_depth_is_no_jump_and_what_the_detector_only_guesses_is_nothing():
    """Feet below the image are guessed at, anywhere."""
    foot = HOLISTIC.feature("body/LEFT_HEEL", "x")
    assert of(changed("clip", flung(foot, 50))) == {}
    assert set(of(changed("clip", lambda f: (flung(foot, 50)(f), flung(foot + 3, 0.9)(f))))) == {"far"}
    assert of(changed("clip", flung(WRIST_Z, 4))) == {}


def test_a_signer_may_turn_away_for_less_than_half_the_clip():
    def turn(frames):
        frames[: len(frames) // 3, X] *= -0.2

    assert of(changed("clip", turn)) == {}


@pytest.mark.parametrize(("num_frames", "fps", "kind"), [(6, 25, "short"), (7, 25, None), (7, 30, "short")])
def test_what_is_too_short_to_be_a_sign_is_told(num_frames, fps, kind):
    clip = signing("clip", fps=float(fps))
    problems = of(dataclasses.replace(clip, frames=clip.frames[:num_frames]))
    assert set(problems) == (set() if kind is None else {kind})


def test_what_is_too_long_to_be_a_sentence_is_told():
    clip = signing("clip", 1)
    frames = np.concatenate([clip.frames, clip.frames[::-1]])
    frames = np.tile(frames, (1 + 1500 // len(frames), 1))
    assert of(dataclasses.replace(clip, frames=frames[:1500])) == {}
    told = of(dataclasses.replace(clip, frames=frames[:1501], fps=25.0))
    assert told == {"long": ["clip: lasts 60 s; cut it into sentences, or correct its fps"]}


@pytest.mark.parametrize("text", ["gloss", "sentence"])
def test_a_clip_without_the_text_that_training_reads_is_told(text):
    clip = signing("clip", **{text: None})
    assert of(clip) == {}
    assert of(clip, text=text) == {
        "text": [f"clip: has no {text}, which data.text asks for; it is left out until it has one"]
    }
    assert of(signing("clip"), text=text) == {}


WILD = arrays(
    np.float32,
    st.tuples(st.integers(1, 4), st.just(540)),
    elements=st.floats(allow_nan=False, allow_infinity=False, width=32),
    fill=st.sampled_from([0.0, -0.0, 1.0, 3e38]).map(np.float32),
)


@settings(max_examples=60)
@given(frames=WILD, fps=st.floats(0.1, 10_000))
def test_whatever_the_numbers_something_is_said_without_a_warning(frames, fps):
    clip = SignClip(key="wild", frames=frames, fps=fps, gloss="WILD")
    tiny = Statistics(mean=np.ones(540, np.float32), std=np.zeros(540, np.float32))
    findings = SignFindings(text="sentence", statistics=tiny)
    problems = [*findings.add(clip), *findings.add(clip), *findings.repeated(TagSplit())]
    assert {"text", "keys", "split"} <= {problem.kind for problem in problems}
    assert all(len(problem.message) < 400 for problem in problems)
    assert np.isfinite([*findings.counts().values(), findings.normalised_size() or 0]).all()


@settings(max_examples=60)
@given(
    scale=st.floats(check.NARROWEST_SHOULDERS + 0.01, check.WIDEST_SHOULDERS - 0.01),
    number=st.integers(0, 30),
    rate=st.floats(0.5, 2),
)
def test_a_signer_of_usual_proportions_and_tempo_is_never_suspected(scale, number, rate):
    clip = signing("clip", number)
    frames = clip.frames.copy()
    frames[:, HOLISTIC.position_features] *= np.float32(scale)
    assert of(dataclasses.replace(clip, frames=frames, fps=25 * rate)) == {}
