"""The page of signing as a file: what it embeds, how exactly, and that texts stay data."""

import base64
import json
import re
from pathlib import Path

import numpy as np
import pytest

from jaxmm.data.sign.clip import SignClip
from jaxmm.data.sign.layout import HOLISTIC
from jaxmm.errors import DataError
from jaxmm.page.signer import SIGNER, Space, placed
from jaxmm.page.signs import ShownSign, SignEntry, write_signs_page

HOSTILE = ["</script><script>alert(1)</script>", "<!-- <script> {{script}} -->", "\"'><img src=x>&  \\u003c", "手話 🕺"]


def signing(key="a", *, seed=0, num_frames=3, depth=1.0):
    """A clip of random positions whose left hand is seen in every second frame."""
    rng = np.random.default_rng(seed)
    frames = rng.uniform(-1.5, 1.5, size=(num_frames, 540)).astype(np.float32)
    frames[:, HOLISTIC.position_features[:, 2]] *= depth
    frames[:, 3:132:4] = 0.9
    frames[1::2, HOLISTIC.part_features("left_hand")] = 0
    return SignClip(key=key, frames=frames, fps=12.5, gloss="I GO", signer="eva")


def write(path: Path, entries, title="Signs") -> Path:
    write_signs_page(path, title=title, entries=entries, facts={"clips": str(len(entries))})
    return path


def entry(clip, text="I GO", **scores) -> SignEntry:
    return SignEntry(text=text, clips=(ShownSign(label="recorded", clip=clip, scores=scores),))


def data_of(path: Path) -> dict:
    text = path.read_text(encoding="utf-8")
    (found,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)
    return json.loads(found)


def decode(clip: dict) -> np.ndarray:
    """Positions, NaN where a landmark was not detected."""
    steps = np.frombuffer(base64.b64decode(clip["data"]), "<i2").reshape(clip["frames"], -1, 3)
    positions = steps * np.array(clip["step"]) + np.array(clip["middle"])
    return np.where(steps == np.iinfo(np.int16).min, np.nan, positions)


@pytest.mark.parametrize("depth", [1.0, 0.001])
def test_positions_are_kept_along_each_axis_and_the_rest_is_marked(tmp_path, depth):
    clip = signing(depth=depth)
    positions, seen = placed(clip)
    (shown,) = data_of(write(tmp_path / "page.html", [entry(clip)]))["entries"][0]["clips"]
    decoded = decode(shown)
    np.testing.assert_array_equal(np.isfinite(decoded).all(axis=-1), seen)
    assert not seen[1, HOLISTIC.part_landmarks("left_hand")].any()
    for axis in range(3):
        span = np.ptp(positions[..., axis][seen])
        assert np.nanmax(np.abs(decoded - positions)[..., axis][seen]) < span / 60_000


def test_what_lies_beyond_reach_is_moved_to_where_nobody_sees_it(tmp_path):
    clip = signing()
    clip.frames[0, HOLISTIC.feature("right_hand/WRIST", "x")] = 1e9
    (shown,) = data_of(write(tmp_path / "page.html", [entry(clip)]))["entries"][0]["clips"]
    assert np.nanmax(decode(shown)) == pytest.approx(50, rel=1e-3)


def test_labels_scores_and_lengths_stand_with_each_clip(tmp_path):
    data = data_of(write(tmp_path / "page.html", [entry(signing(num_frames=7), error=0.25)]))
    (shown,) = data["entries"][0]["clips"]
    assert {name: shown[name] for name in ("label", "key", "signer", "fps", "frames", "scores")} == {
        "label": "recorded",
        "key": "a",
        "signer": "eva",
        "fps": 12.5,
        "frames": 7,
        "scores": [["error", 0.25]],
    }


def test_hostile_texts_stay_data(tmp_path):
    path = write(tmp_path / "page.html", [entry(signing(), text=text) for text in HOSTILE], title=HOSTILE[0])
    assert [own["text"] for own in data_of(path)["entries"]] == HOSTILE
    assert "<script>alert" not in path.read_text(encoding="utf-8")
    assert "<img" not in path.read_text(encoding="utf-8")


def test_the_page_names_nothing_to_load(tmp_path):
    text = write(tmp_path / "page.html", [entry(signing())]).read_text(encoding="utf-8")
    assert not re.search(r"https?:|\bfetch\(|XMLHttpRequest|\bimport\b|@import|url\(", text)
    assert "{{" not in text
    assert "default-src 'none'" in text


def test_what_cannot_be_shown_is_refused(tmp_path):
    with pytest.raises(DataError, match="there are no entries"):
        write(tmp_path / "page.html", [])
    with pytest.raises(DataError, match="there is no clip"):
        SignEntry(text="I GO", clips=())
    with pytest.raises(DataError, match="a: error is nan; give finite scores"):
        entry(signing(), error=float("nan"))
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="cannot be written"):
        write(tmp_path / "file" / "page.html", [entry(signing())])


def test_hands_and_face_hang_on_the_body_in_depth():
    clip = signing()
    positions, _ = placed(clip)
    given = clip.frames[:, HOLISTIC.position_features]
    np.testing.assert_array_equal(positions[..., :2], given[..., :2])
    right = SIGNER.sides["right"]
    np.testing.assert_allclose(positions[:, right.wrist, 2], given[:, right.arm[2], 2], atol=1e-6)
    hand = HOLISTIC.part_landmarks("right_hand")
    within = positions[:, hand, 2] - positions[:, hand, 2][:, :1]
    np.testing.assert_allclose(within, given[:, hand, 2] - given[:, hand, 2][:, :1], atol=1e-6)
    np.testing.assert_allclose(positions[:, SIGNER.tip, 2], given[:, SIGNER.nose, 2], atol=1e-6)


def test_legs_are_left_out_where_they_are_a_guess():
    clip = signing()
    clip.frames[0, HOLISTIC.feature("body/LEFT_KNEE", "visibility")] = 0.1
    _, seen = placed(clip)
    knee = HOLISTIC.landmark("body/LEFT_KNEE")
    assert seen[:, knee].tolist() == [False, True, True]
    assert seen[:, HOLISTIC.landmark("body/RIGHT_KNEE")].all()


def test_every_landmark_of_hands_and_face_is_drawn():
    drawn = {SIGNER.chin, SIGNER.tip}.union(*SIGNER.contours.values())
    for side in SIGNER.sides.values():
        drawn = drawn.union(side.palm, *side.fingers)
    for part in ("left_hand", "right_hand", "face"):
        places = HOLISTIC.part_landmarks(part)
        assert set(range(places.start, places.stop)) <= drawn


def test_the_space_grows_with_the_hands_but_not_without_end():
    clip = signing()
    clip.frames[:, HOLISTIC.part_features("right_hand")] = 0.1
    hand = HOLISTIC.position_features[HOLISTIC.part_landmarks("right_hand")]
    clip.frames[:, hand[:, 0]] = 1.5
    assert 1.5 < Space.of([clip]).reach < 1.7
    clip.frames[:, hand[:, 0]] = 900
    assert Space.of([clip]).reach == 1.8
