"""What the check of signing says of a whole source: its files, its statistics, and recordings that are there twice."""

import dataclasses
import json
import re
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxmm.data.sign.check import check_signs
from jaxmm.data.sign.sources import ProceduralSigns, SignFolder, SpelledWords
from jaxmm.data.sign.statistics import Statistics
from jaxmm.data.splits import HashSplit, TagSplit
from jaxmm.errors import DataError

from .signing import build, changed, found, kinds, placed, signing


def test_sound_signing_has_no_problems_and_is_counted(tmp_path):
    clips = [
        signing("a", 0, gloss=None, sentence="Yes."),
        signing("b", 1),
        signing("c", 2, gloss=signing("b", 1).gloss, signer=""),
    ]
    report = check_signs(SignFolder(), build(tmp_path / "signs", clips))
    assert report.problems == ()
    frames = [clip.num_frames for clip in clips]
    assert report.values() == {
        **{"clips": 3, "frames": sum(frames), "seconds": pytest.approx(sum(frames) / 25), "problems": 0},
        **{"longest_seconds": max(frames) / 25, "signers": len({clips[0].signer, clips[1].signer})},
        **{"glosses": 2, "distinct_glosses": 1, "sentences": 3, "distinct_sentences": 3},
    }


def test_every_file_is_read_whatever_is_wrong_with_the_others(tmp_path):
    clips = [signing(key, number) for number, key in enumerate(("cut", "gone", "nan", "flat", "sound"))]
    root = build(tmp_path / "signs", clips, statistics=False)
    (root / "cut.npy").write_bytes(b"\x93NUMPY")
    (root / "gone.npy").unlink()
    np.save(root / "nan.npy", np.full((20, 540), np.nan, np.float32))
    np.save(root / "flat.npy", np.zeros((20, 539), np.float32))
    np.save(root / "unnamed.npy", np.zeros((20, 540), np.float32))
    with (root / "metadata.csv").open("a") as table:
        table.write("sound.npy,Again.,,,\nsilent.npy,,,,\n")
    problems = found(root)
    assert {kind: len(messages) for kind, messages in problems.items()} == {
        **{"table": 2, "undescribed": 1, "files": 4, "statistics": 1}
    }
    for name, message in zip(("cut.npy", "gone.npy", "nan: frame 0", "flat: frames"), problems["files"], strict=True):
        assert name in message
    assert "metadata.csv:7: 'sound.npy' was named on line 6" in problems["table"][0]
    assert problems["undescribed"] == ["unnamed.npy: no row in the table; it is left out until it has one"]
    assert "statistics.npz: no such file" in problems["statistics"][0]
    assert "statistics" not in found(root, normalize=False)
    assert check_signs(SignFolder(), root).counts["clips"] == 1


@pytest.mark.parametrize(("mean", "std"), [(0, 0.01), (50, 1), (0, 100)])
def test_statistics_of_other_recordings_are_told(mean, std, tmp_path):
    clips = [signing(key, number) for number, key in enumerate("abc")]
    root = build(tmp_path / "signs", [*clips, changed("giant", placed(1e6, 1e6))])
    other = Statistics(mean=np.full(540, mean, np.float32), std=np.full(540, std, np.float32))
    other.write(root / "statistics.npz")
    (told,) = found(root)["statistics"]
    assert re.search(r"normalised by statistics\.npz, frames are of size [\d.]+, where 1 is usual", told)
    assert "statistics" not in found(root, normalize=False)
    Statistics.of(clips).write(root / "statistics.npz")
    assert set(found(root)) == {"unit"}


def test_the_same_recording_under_two_keys_is_found_within_and_across_splits(tmp_path):
    tags = ({"split": split} for split in ("train", "test", "train", "train"))
    clips = [signing(key, int(key == "d"), tags=own) for key, own in zip("abcd", tags, strict=True)]
    root = build(tmp_path / "signs", clips)
    assert found(root) == {"duplicate": ["a, b, c: the same recording under 3 keys; keep one"]}
    leak = {"leakage": ["a, b, c: the same recording is in test and train; keep it in one"]}
    assert found(root, split=TagSplit()) == leak
    assert "tag 'style' is None" in found(root, split=TagSplit(tag="style"))["split"][0]
    assert set(found(root, split=HashSplit())) <= {"duplicate", "leakage"}


def test_what_two_signers_share_is_told_once(tmp_path):
    clips = [signing(f"{who}{number}", number, signer=who) for who in ("ann", "bea") for number in range(5)]
    clips += [signing("eve", 7, signer="eve"), signing("nobody", 7, signer="")]
    assert found(build(tmp_path / "signs", clips)) == {
        "signers": ["ann and bea: 5 recordings are the same though the signers differ, as in ann0, bea0; keep those "
                    "of one"],
        "duplicate": ["eve, nobody: the same recording under 2 keys; keep one"],
    }  # fmt: skip


@pytest.fixture
def letters(tmp_path):
    """A folder with the letters of two languages; those of the second are copies of the first's."""
    root = tmp_path / "letters"
    root.mkdir()
    frames = {glyph: signing(glyph, ord(glyph) - 65).frames for glyph in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"}
    rows = [
        {"key": f"{language}_{glyph}", "sentence_gloss": glyph, "signed_language": language}
        for language in ("ase", "fsl")
        for glyph in frames
    ]
    (root / "metadata.jsonl").write_text("\n".join(map(json.dumps, rows)))
    np.savez(root / "features540.npz", **{row["key"]: frames[row["sentence_gloss"]] for row in rows})
    return root


def test_languages_with_the_same_letters_are_told(letters):
    source = SpelledWords(num_words=6)
    assert found(letters, source, split=TagSplit(), text="gloss") == {}
    both = dataclasses.replace(source, languages=("ase", "fsl"))
    (told,) = found(letters, both, split=TagSplit(), text="gloss")["signers"]
    assert told.startswith("ase and fsl: 6 recordings are the same though the signers differ, as in ase/able, fsl/able")


def test_a_letter_that_cannot_be_read_is_told_once(letters):
    with np.load(letters / "features540.npz") as archive:
        arrays_by_key = {key: archive[key] for key in archive.files}
    np.savez(letters / "features540.npz", **{**arrays_by_key, "ase_E": np.zeros((3, 2), np.float32)})
    problems = found(letters, SpelledWords(num_words=20))
    (told,) = problems["files"]
    assert "features540.npz[ase_E]: is float32 (3, 2)" in told
    assert "recordings cannot be read without it: ase/able, " in told
    assert set(problems) == {"files"}


def test_a_language_without_letters_does_not_keep_the_others_from_being_read(letters):
    report = check_signs(SpelledWords(num_words=6, languages=("xxx", "ase")), letters)
    assert [problem.kind for problem in report.problems] == ["letters"]
    assert report.counts["clips"] == 6


def test_the_procedural_source_is_sound_but_reads_no_folder(tmp_path):
    source = ProceduralSigns(takes=1, num_glosses=8, num_sentences=10, num_held_out=2, num_signers=3)
    assert found(None, source, split=TagSplit(), text="gloss") == {}
    with pytest.raises(DataError, match="reads no files"):
        check_signs(source, tmp_path)


@settings(max_examples=40)
@given(table=st.binary(max_size=300), array=st.binary(max_size=300))
def test_whatever_the_bytes_of_a_folder_a_report_comes(table, array):
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        header = b"feature_path,sentence_gloss,split\nsound.npy,HELLO,train\ndamaged.npy,BYE,test\n"
        (root / "metadata.csv").write_bytes(header + table)
        np.save(root / "sound.npy", signing("sound").frames)
        (root / "damaged.npy").write_bytes(array)
        (root / "statistics.npz").write_bytes(table)
        report = check_signs(SignFolder(), root, split=TagSplit(), text="gloss")
    assert report.counts["clips"] in (0, 1)
    assert {"statistics", "files" if report.counts["clips"] else "table"} <= set(kinds(report.problems))


def test_real_letters_are_sound_and_those_of_two_languages_the_same(shared_data):
    root = shared_data / "sign" / "fingerspelling"
    if not root.is_dir():
        pytest.skip("needs recordings of letters in ../shared/data/sign/fingerspelling")
    report = check_signs(SpelledWords(languages=("ase", "fsl", "psr"), num_words=20), root, split=TagSplit())
    (problem,) = report.problems
    assert problem.message.startswith("ase and fsl: 20 recordings are the same though the signers differ")
    assert report.counts["clips"] == 60
