import dataclasses
import json
import re
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from jaxmm import cli
from jaxmm.data.motion_text import MotionText
from jaxmm.data.sign import check
from jaxmm.data.sign.check import SignFindings, check_signs
from jaxmm.data.sign.clip import SignClip
from jaxmm.data.sign.folder import write_sign_folder
from jaxmm.data.sign.layout import HOLISTIC
from jaxmm.data.sign.procedural import sentences, synthesize
from jaxmm.data.sign.sources import ProceduralSigns, SignFolder, SpelledWords
from jaxmm.data.sign.statistics import Statistics
from jaxmm.data.sign_text import SignText
from jaxmm.data.sources import SignMotions
from jaxmm.data.splits import HashSplit, TagSplit
from jaxmm.errors import DataError

SENTENCES = sentences("train")
HANDS = np.r_[HOLISTIC.part_features("left_hand"), HOLISTIC.part_features("right_hand")]
X, Y = (HOLISTIC.position_features[:, axis] for axis in range(2))


def signing(key, number=0, **fields):
    """A sound clip of the procedural signer."""
    clip = synthesize(SENTENCES[number], seed=0, take=0)
    return dataclasses.replace(clip, **{"key": key, "tags": {}, **fields})


def changed(key, change, number=0, **fields):
    clip = signing(key, number, **fields)
    frames = clip.frames.copy()
    change(frames)
    return dataclasses.replace(clip, frames=frames)


def build(root, clips, *, statistics=True):
    write_sign_folder(clips, root)
    if statistics:
        Statistics.neutral().write(root / "statistics.npz")
    return root


def kinds(problems):
    found = {}
    for problem in problems:
        found.setdefault(problem.kind, []).append(problem.message)
    return found


def found(root, source=None, **which):
    return kinds(check_signs(source or SignFolder(), root, **which).problems)


def of(clip, **which):
    """What is wrong with one clip."""
    return kinds(SignFindings(**which).add(clip))


# A clip


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


def clear(frames, rows=slice(None), columns=slice(None)):
    frames[rows, columns] = 0


def shoulders(frames):
    for side in ("LEFT", "RIGHT"):
        start = HOLISTIC.feature(f"body/{side}_SHOULDER", "x")
        frames[:, start : start + 3] = 0


def placed(x, y, *, aside=0.0):
    def change(frames):
        frames[:, X] = frames[:, X] * x + aside
        frames[:, Y] *= y

    return change


def flung(feature, amount, rows=slice(3, 5)):
    def change(frames):
        frames[rows, feature] += amount

    return change


WRIST_X, WRIST_Z = (HOLISTIC.feature("right_hand/WRIST", axis) for axis in "xz")


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


# A source


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


# Attacks


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


# The command


def run(capsys, *words):
    with pytest.raises(SystemExit) as caught:
        cli.main(["data", "check", *map(str, words)])
    return int(caught.value.code or 0), capsys.readouterr().out


def test_the_command_reads_what_the_config_names(tmp_path, capsys):
    clips = [signing("a", 0, gloss=None, tags={"split": "train"}), signing("b", 1)]
    root = build(tmp_path / "signs", clips, statistics=False)
    config = tmp_path / "own.py"
    config.write_text(
        "from jaxmm import Experiment, SignFolder, SignText, Text2SignTask\n"
        "def get_config():\n"
        "    return Experiment(task=Text2SignTask(), data=SignText(source=SignFolder()))\n"
    )
    status, out = run(capsys, config, "--data.root", root)
    assert status == 1
    assert [line.split(":")[0] for line in out.splitlines()[:3]] == ["statistics", "text", "split"]
    assert run(capsys, config, "--data.root", root, "--metres_per_unit", "1")[0] == 2
    assert run(capsys, config)[0] == 2


def test_the_command_knows_a_folder_of_signing(tmp_path, capsys):
    root = build(tmp_path / "signs", [signing("a")], statistics=False)
    status, out = run(capsys, root, "--json")
    values = json.loads(out)
    assert (status, values["clips"], values["problems/statistics"]) == (1, 1, 1)
    Statistics.neutral().write(root / "statistics.npz")
    cli.main(["data", "check", str(root)])
    assert "clips" in capsys.readouterr().out
    assert run(capsys, root, "--metres_per_unit", "1")[0] == 2


def test_data_are_checked_as_their_settings_say():
    source = ProceduralSigns(takes=1, num_glosses=8, num_sentences=8, num_held_out=1, num_signers=1)
    assert SignText(source=source).check(None).problems == ()
    seen_as_motion = MotionText(source=SignMotions(signs=source)).check(None)
    assert (seen_as_motion.problems, seen_as_motion.counts["clips"]) == ((), 10)


def test_signing_that_is_read_as_motion_is_checked_as_signing(tmp_path):
    clips = [signing("a", gloss=None), changed("b", lambda frames: clear(frames, columns=HANDS), 1)]
    settings = MotionText(source=SignMotions(signs=SignFolder()), split=HashSplit())
    problems = kinds(settings.check(build(tmp_path / "signs", clips, statistics=False)).problems)
    assert set(problems) == {"text", "hands"}


# Real recordings


def test_real_letters_are_sound_and_those_of_two_languages_the_same(shared_data):
    root = shared_data / "sign" / "fingerspelling"
    if not root.is_dir():
        pytest.skip("needs recordings of letters in ../shared/data/sign/fingerspelling")
    report = check_signs(SpelledWords(languages=("ase", "fsl", "psr"), num_words=20), root, split=TagSplit())
    (problem,) = report.problems
    assert problem.message.startswith("ase and fsl: 20 recordings are the same though the signers differ")
    assert report.counts["clips"] == 60
