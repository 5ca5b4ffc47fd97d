import json

import numpy as np
import pytest

from jaxmm.data import sign_text
from jaxmm.data.sign.prepare import resample_signs
from jaxmm.data.sign.sources import SignFolder
from jaxmm.data.sign_text import packed_signs
from jaxmm.errors import DataError

from .kinds import SIGN_FPS, write_signs


def test_a_source_is_packed_once(signs, sign_folder, monkeypatch):
    first = packed_signs(signs.source, sign_folder, fps=SIGN_FPS)
    monkeypatch.setattr(sign_text, "store", lambda *_, **__: pytest.fail("packed a second time"))
    np.testing.assert_array_equal(packed_signs(signs.source, sign_folder, fps=SIGN_FPS).frames, first.frames)


def test_clips_are_resampled_to_one_rate(sign_folder, clips, cache):
    del cache
    packed = packed_signs(SignFolder(), sign_folder, fps=10.0)
    assert packed.fps == 10.0
    for place, clip in enumerate(clips):
        np.testing.assert_array_equal(
            packed.clip(place), resample_signs(clip.frames, source_fps=SIGN_FPS, target_fps=10.0)
        )


@pytest.fixture
def packed(sign_folder, tmp_path, monkeypatch):
    """The folder of a packed source in a cache of its own."""
    monkeypatch.setenv("JAXMM_CACHE", str(tmp_path / "cache"))
    packed_signs(SignFolder(), sign_folder, fps=SIGN_FPS)
    (only,) = (tmp_path / "cache" / "signs").iterdir()
    return only


@pytest.mark.parametrize("about", [{}, {"landmarks": None}, {"landmarks": 3}, {"landmarks": ["body/NOSE"]}, [], "x"])
def test_a_packed_source_of_another_layout_is_refused(about, packed, sign_folder):
    meta = json.loads((packed / "meta.json").read_text())
    (packed / "meta.json").write_text(json.dumps({**meta, "about": about}))
    with pytest.raises(DataError, match=rf"{packed}: .*; delete the folder to have it packed anew"):
        packed_signs(SignFolder(), sign_folder, fps=SIGN_FPS)


@pytest.mark.parametrize(
    "note",
    [
        {"gloss": 3},
        {"gloss": 0},
        {"sentence": ["A"]},
        {"signer": None},
        {"tags": None},
        {"tags": ["split"]},
        {"tags": {"split": 3}},
        {"further": "A"},
    ],
)
def test_a_damaged_note_is_refused(note, packed, sign_folder):
    meta = json.loads((packed / "meta.json").read_text())
    meta["clips"]["train_1"]["note"].update(note)
    (packed / "meta.json").write_text(json.dumps(meta))
    with pytest.raises(
        DataError, match=rf"{packed}: not a packed data set .*; delete the folder to have it packed anew"
    ):
        packed_signs(SignFolder(), sign_folder, fps=SIGN_FPS)


@pytest.mark.parametrize("name", ["gloss", "sentence", "signer", "tags"])
def test_a_note_that_lacks_something_is_refused(name, packed, sign_folder):
    meta = json.loads((packed / "meta.json").read_text())
    del meta["clips"]["train_1"]["note"][name]
    (packed / "meta.json").write_text(json.dumps(meta))
    with pytest.raises(
        DataError, match=rf"{packed}: not a packed data set .*; delete the folder to have it packed anew"
    ):
        packed_signs(SignFolder(), sign_folder, fps=SIGN_FPS)


def test_a_source_that_fails_leaves_nothing_behind(clips, tmp_path, monkeypatch):
    monkeypatch.setenv("JAXMM_CACHE", str(tmp_path / "cache"))
    root = write_signs(clips, tmp_path / "signs")
    np.save(root / "test_1.npy", np.full((3, 540), np.nan, np.float32))
    with pytest.raises(DataError, match=r"metadata\.csv:16: test_1: frame 0 holds a value that is not finite"):
        packed_signs(SignFolder(), root, fps=SIGN_FPS)
    assert list((tmp_path / "cache" / "signs").iterdir()) == []
