import json

import numpy as np
import pytest

from jaxmm.data.sign import procedural
from jaxmm.data.sign.clip import SignClip
from jaxmm.data.sign.folder import write_sign_folder
from jaxmm.data.sign.sources import ProceduralSigns, SignFolder, SpelledWords, sign_source_of
from jaxmm.data.sign.statistics import Statistics
from jaxmm.data.splits import HashSplit
from jaxmm.errors import ConfigError, DataError

FRAMES = np.random.default_rng(0).normal(size=(4, 540)).astype(np.float32)


@pytest.fixture
def folder(tmp_path):
    """A folder of one recording, without statistics."""
    clip = SignClip(key="hello", frames=FRAMES, fps=30.0, gloss="HELLO", tags={"split": "train"})
    write_sign_folder([clip], tmp_path / "signs")
    return tmp_path / "signs"


@pytest.fixture
def letters(tmp_path):
    """A folder with all letters of one language."""
    root = tmp_path / "letters"
    root.mkdir()
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    rows = ({"key": glyph, "sentence_gloss": glyph, "signed_language": "ase"} for glyph in alphabet)
    (root / "metadata.jsonl").write_text("\n".join(map(json.dumps, rows)))
    np.savez(root / "features540.npz", **{glyph: np.ones((20, 540), np.float32) for glyph in alphabet})
    return root


@pytest.mark.parametrize(
    ("source", "contents"), [(SignFolder(), r"metadata\.csv"), (SpelledWords(), r"metadata\.jsonl")]
)
def test_a_root_is_needed_and_must_be_a_folder(source, contents, tmp_path):
    with pytest.raises(DataError, match=rf"data\.root is not set; give the folder that holds {contents} with --data"):
        source.inventory(None)
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "absent", tmp_path / "file"):
        with pytest.raises(DataError, match=rf"data\.root: {path} is not a folder; give the folder .* {contents}"):
            source.inventory(path)


def test_the_procedural_source_refuses_files(tmp_path):
    with pytest.raises(DataError, match=rf"data\.root is {tmp_path}, but the procedural source reads no files; remove"):
        ProceduralSigns().inventory(tmp_path)


def test_the_procedural_source_passes_on_its_settings_by_split(monkeypatch):
    asked = []

    def none(split, **settings):
        asked.append((split, settings))
        return iter(())

    monkeypatch.setattr(procedural, "signs", none)
    source = ProceduralSigns(
        seed=3, takes=5, held_out_takes=2, num_glosses=8, num_sentences=7, num_held_out=6, num_signers=4
    )
    assert list(source.inventory(None).items()) == []
    shared = {"seed": 3, "num_glosses": 8, "num_signers": 4}
    assert asked == [
        ("train", {**shared, "takes": 5, "num_sentences": 7}),
        ("val", {**shared, "takes": 2, "num_sentences": 6}),
        ("test", {**shared, "takes": 2, "num_sentences": 6}),
    ]


def test_procedural_clips_say_their_split_and_have_distinct_keys():
    source = ProceduralSigns(takes=1, num_glosses=8, num_sentences=8, num_held_out=1, num_signers=2)
    clips = list(source.inventory(None).items())
    assert {clip.tags["split"] for clip in clips} == {"train", "val", "test"}
    assert len({clip.key for clip in clips}) == len(clips)
    assert source.statistics(None) is None


def test_a_folder_is_read_at_the_rate_of_its_rows_or_of_the_source(folder):
    assert [clip.fps for clip in SignFolder(fps=10.0).inventory(folder).items()] == [30.0]
    table = folder / "metadata.csv"
    table.write_text("feature_path,sentence_gloss\nhello.npy,HELLO\n")
    assert [clip.fps for clip in SignFolder(fps=10.0).inventory(folder).items()] == [10.0]


def test_a_folder_without_statistics_is_an_error(folder):
    """D11."""
    message = r"statistics\.npz: no such file; `jaxmm data prepare-sign` writes it, .*; or set normalize to False"
    with pytest.raises(DataError, match=message):
        SignFolder().statistics(folder)
    with pytest.raises(DataError, match=r"data\.root is not set"):
        SignFolder().statistics(None)


def test_a_folder_brings_its_statistics(folder):
    written = Statistics(mean=FRAMES[0], std=np.abs(FRAMES[1]))
    written.write(folder / "statistics.npz")
    read = SignFolder().statistics(folder)
    np.testing.assert_array_equal(read.mean, written.mean)
    np.testing.assert_array_equal(read.std, written.std)


def test_words_are_spelled_as_the_settings_say(letters):
    source = SpelledWords(num_words=30, held_out=HashSplit(num_buckets=2, test=(1,)), max_frames=50)
    clips = list(source.inventory(letters).items())
    assert len(clips) == 30
    assert {clip.tags["split"] for clip in clips} == {"train", "test"}
    assert all(clip.signer == "ase" and clip.num_frames <= 50 for clip in clips)
    usual, slow = (
        next(SpelledWords(num_words=1, speed=speed).inventory(letters).items()).num_frames for speed in (1.0, 0.8)
    )
    assert slow > usual
    assert source.statistics(letters) is None


def test_what_is_held_out_by_default_leaves_most_for_training(letters):
    splits = [clip.tags["split"] for clip in SpelledWords(num_words=200).inventory(letters).items()]
    assert splits.count("train") > 140
    assert min(splits.count("val"), splits.count("test")) >= 10


@pytest.mark.parametrize("name", ["num_words", "max_frames"])
@pytest.mark.parametrize("value", [0, -1])
def test_numbers_out_of_range_are_refused(name, value):
    with pytest.raises(ConfigError, match=rf"data\.source\.{name} is {value}; give a value above zero"):
        SpelledWords(**{name: value})


@pytest.mark.parametrize("speed", [0.0, -1.0, 0.05, 1e-300, 10.5, float("inf"), float("nan")])
def test_a_speed_at_which_nobody_spells_is_refused(speed):
    with pytest.raises(ConfigError, match=rf"data\.source\.speed is {speed}; give a factor from 0\.1 to 10\.0"):
        SpelledWords(speed=speed)


def test_the_slowest_and_the_fastest_spelling_fit(letters):
    for speed in (0.1, 10.0):
        clip = next(SpelledWords(num_words=1, speed=speed, max_frames=40).inventory(letters).items())
        assert 0 < clip.num_frames <= 40


def test_no_language_and_one_named_twice_are_refused():
    with pytest.raises(ConfigError, match=r"data\.source\.languages is empty; name one sign language or more"):
        SpelledWords(languages=())
    with pytest.raises(ConfigError, match=r"data\.source\.languages is \('ase', 'ase'\); name each sign language once"):
        SpelledWords(languages=("ase", "ase"))


def test_a_folder_of_signing_is_known_by_its_files(folder, letters, tmp_path):
    assert sign_source_of(folder) == SignFolder()
    assert sign_source_of(letters) == SpelledWords(languages=("ase",))
    assert sign_source_of(tmp_path) is None
    (letters / "metadata.jsonl").write_text("{")
    assert sign_source_of(letters) == SpelledWords()
    (letters / "features540.npz").unlink()
    assert sign_source_of(letters) is None
