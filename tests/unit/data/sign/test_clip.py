import numpy as np
import pytest

from jaxmm.data.sign.clip import SignClip
from jaxmm.errors import DataError

FRAMES = np.ones((3, 540), np.float32)


def test_a_missing_gloss_is_missing():
    """D10."""
    clip = SignClip(key="a", frames=FRAMES, fps=25.0, sentence="Hello.")
    assert clip.text("gloss") is None
    assert clip.text("sentence") == "Hello."


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"frames": FRAMES[:, :5]}, r"a: frames have shape \(3, 5\); expected \(time >= 1, 540\)"),
        ({"frames": FRAMES[:0]}, "frames have shape"),
        ({"frames": FRAMES * np.float32(np.nan)}, "a: frame 0 holds a value that is not finite"),
        ({"fps": 0.0}, "fps is 0.0"),
        ({"gloss": None}, "are both missing"),
        ({"sentence": " "}, "one is empty"),
        ({"signer": "\ud800"}, "not valid Unicode"),
    ],
)
def test_what_is_no_recording_is_refused(fields, message):
    with pytest.raises(DataError, match=message):
        SignClip(**{"key": "a", "frames": FRAMES, "fps": 25.0, "gloss": "HELLO", **fields})
