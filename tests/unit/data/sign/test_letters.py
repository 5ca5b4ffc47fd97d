import json
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxmm.data.sign.layout import HOLISTIC
from jaxmm.data.sign.letters import common_words, list_spelled_words
from jaxmm.data.splits import HashSplit
from jaxmm.errors import DataError

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
NUM_FRAMES = 20
NO_WORD_HELD_OUT = HashSplit(test=())


def line(language="ase", gloss="A", **fields):
    row = {"key": f"{language}_{gloss}", "sentence_gloss": gloss, "signed_language": language, "fps": 25.0, **fields}
    return json.dumps({name: value for name, value in row.items() if value is not None})


def letter(place, num_frames=NUM_FRAMES):
    """A recording whose frame f of letter n is 100 n + f + 1 in every number."""
    return (100 * place + np.arange(1, num_frames + 1))[:, None] * np.ones(540, np.float32)


def build(root, lines, arrays):
    root.mkdir(exist_ok=True)
    (root / "metadata.jsonl").write_text("\n".join(lines), encoding="utf-8")
    np.savez(root / "features540.npz", **arrays)
    return root


def alphabet(root, languages=("ase",), letters=ALPHABET, frames=letter, **fields):
    """Writes a folder with all letters of some languages."""
    lines = [line(language, gloss, **fields) for language in languages for gloss in letters]
    arrays = {f"{language}_{gloss}": frames(ord(gloss) - 65) for language in languages for gloss in letters}
    return build(root, lines, arrays)


def listed(root, **settings):
    usual = {"languages": ("ase",), "num_words": 12, "split": NO_WORD_HELD_OUT, "speed": 1.0, "max_frames": 1000}
    return list_spelled_words(root, **{**usual, **settings})


def spell(root, **settings):
    return list(listed(root, **settings).items())


def spelled(root, word, **settings):
    recordings = listed(root, num_words=1, **settings).recordings
    ((clip,),) = (recording.read() for recording in recordings if recording.key.endswith(f"/{word}"))
    return clip


def values(clip):
    """The one number that every landmark of a frame of `letter` has."""
    np.testing.assert_allclose(clip.frames, clip.frames[:, :1] * np.ones(540), rtol=1e-6)
    return clip.frames[:, 0]


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return alphabet(tmp_path_factory.mktemp("letters") / "root", ("ase", "ukl"))


# Words


def test_a_words_gloss_is_its_letters_apart_and_its_signer_the_language(root):
    clip = spelled(root, "able", languages=("ukl",))
    assert (clip.key, clip.gloss, clip.sentence, clip.signer) == ("ukl/able", "A B L E", "able", "ukl")
    assert (clip.fps, dict(clip.tags)) == (25.0, {"split": "train", "word": "able"})


def test_the_raising_of_the_hand_is_cut_inside_and_kept_at_both_ends(root):
    signs = values(spelled(root, "able"))
    first, second, third, last = (
        np.arange(1, 17),
        100 + np.arange(5, 17),
        1100 + np.arange(5, 17),
        400 + np.arange(5, 21),
    )
    joins = [np.linspace(before, after, 5)[1:-1] for before, after in ((16, 105), (116, 1105), (1116, 405))]
    expected = np.concatenate([first, joins[0], second, joins[1], third, joins[2], last])
    np.testing.assert_allclose(signs, expected, rtol=1e-5)


def test_a_short_recording_keeps_at_least_its_middle(tmp_path):
    for num_frames, kept in ((1, 1), (2, 2), (3, 1), (4, 2), (6, 2), (12, 4)):
        short = alphabet(tmp_path / str(num_frames), frames=lambda place, n=num_frames: letter(place, n))
        ends = num_frames - min(4, num_frames // 3)
        assert spelled(short, "able").num_frames == 2 * kept + 2 * ends + 3 * 3


def test_joins_jump_no_more_than_a_blend_of_their_ends(tmp_path):
    """Letters that lie near each other are joined by steps no larger than those inside."""

    def near(place):
        times = np.arange(NUM_FRAMES) / NUM_FRAMES
        hand = np.sin(np.pi * times) + 0.02 * place
        return (1 + hand)[:, None] * np.ones(540, np.float32)

    signs = values(spelled(alphabet(tmp_path / "near", frames=near), "able"))
    inside = np.abs(np.diff(near(0)[:, 0])).max()
    assert np.abs(np.diff(signs)).max() <= inside + 1e-6


def test_a_landmark_that_one_letter_lacks_is_never_halfway(tmp_path):
    """An undetected hand is at zero; a blend with it would be a hand near the shoulders' middle."""
    left = HOLISTIC.part_features("left_hand")

    def one_handed(place):
        frames = np.ones((NUM_FRAMES, 540), np.float32)
        frames[:, left] = place % 2
        return frames

    clip = spelled(alphabet(tmp_path / "hands", frames=one_handed), "able")
    assert set(np.unique(clip.frames[:, left]).tolist()) == {0.0, 1.0}


def test_letters_of_any_frame_rate_take_as_long_as_they_took(tmp_path):
    usual, fast = (spelled(alphabet(tmp_path / str(fps), fps=fps), "able").num_frames for fps in (25.0, 50.0))
    assert usual == 65
    assert fast == (16 + 12 + 12 + 16) // 2 + 9


def test_a_line_without_a_frame_rate_has_the_usual_one(tmp_path):
    np.testing.assert_array_equal(
        spelled(alphabet(tmp_path / "none", fps=None), "able").frames,
        spelled(alphabet(tmp_path / "some", fps=25), "able").frames,
    )


def test_faster_spelling_takes_fewer_frames_over_the_same_way(root):
    usual, fast = (values(spelled(root, "able", speed=speed)) for speed in (1.0, 2.0))
    assert len(fast) == 37
    assert fast[0] == usual[0]
    assert fast.max() == pytest.approx(usual.max(), rel=0.01)


@settings(max_examples=20)
@given(max_frames=st.integers(1, 200))
def test_a_word_fits_and_what_was_longer_fills_the_frames(max_frames, root):
    for whole, fitting in zip(spell(root), spell(root, max_frames=max_frames), strict=True):
        assert fitting.num_frames == min(whole.num_frames, max_frames)
        np.testing.assert_array_equal(fitting.frames[0], whole.frames[0])


def test_letters_recorded_ever_so_slowly_take_no_more_memory_than_a_word_may(tmp_path):
    """At 1 frame a second and a tenth of the speed, each recorded frame would become 250."""
    root = alphabet(tmp_path / "root", frames=lambda place: letter(place, 600), fps=1)
    tracemalloc.start()
    clip = spelled(root, "able", speed=0.1, max_frames=50)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert clip.num_frames == 50
    assert most < 500 * 2**20


# Which words


def test_words_are_spread_over_the_alphabet_whatever_their_number(root):
    words = [clip.sentence for clip in spell(root, num_words=40)]
    assert words == sorted(words)
    assert len(words) == len(set(words)) == 40
    assert words[0][0] == "a"
    assert words[-1][0] in "wyz"
    assert all(3 <= len(word) <= 7 and word.isascii() and word.islower() for word in common_words())


@pytest.mark.parametrize("num_words", [1, 2, 878, 879, 880, 10_000])
def test_no_word_comes_twice_and_there_are_no_more_than_all(num_words, root):
    keys = [recording.key for recording in listed(root, num_words=num_words).recordings]
    assert len(keys) == len(set(keys)) == min(num_words, len(common_words()))


def test_a_word_held_out_is_held_out_in_all_languages(root):
    clips = spell(root, languages=("ase", "ukl"), num_words=60, split=HashSplit(num_buckets=4, test=(0,), val=(1,)))
    splits = {}
    for clip in clips:
        splits.setdefault(clip.tags["word"], []).append(clip.tags["split"])
    assert all(len(own) == 2 and len(set(own)) == 1 for own in splits.values())
    assert {own[0] for own in splits.values()} == {"train", "val", "test"}


def test_a_language_skips_the_words_that_it_has_no_letters_for(tmp_path):
    root = alphabet(tmp_path / "root", ("ase", "ukl"))
    few = [text for text in (root / "metadata.jsonl").read_text().splitlines() if '"ukl_E"' not in text]
    (root / "metadata.jsonl").write_text("\n".join(few))
    clips = spell(root, languages=("ase", "ukl"), num_words=60)
    words = {language: {clip.sentence for clip in clips if clip.signer == language} for language in ("ase", "ukl")}
    assert words["ukl"] == {word for word in words["ase"] if "e" not in word}
    assert 0 < len(words["ukl"]) < len(words["ase"])


def test_of_several_recordings_of_a_letter_the_first_is_taken(tmp_path):
    lines = [line(gloss=gloss) for gloss in ALPHABET] + [line(gloss="A", key="other")]
    arrays = {f"ase_{gloss}": letter(ord(gloss) - 65) for gloss in ALPHABET} | {"other": letter(50)}
    assert values(spelled(build(tmp_path / "root", lines, arrays), "able"))[0] == 1


def test_signs_that_are_no_single_capital_letter_are_no_obstacle(tmp_path):
    lines = [line(gloss=gloss) for gloss in ["SCH", "a", "7", "Ä", *ALPHABET]] + ["", "  "]
    root = build(tmp_path / "root", lines, {f"ase_{gloss}": letter(ord(gloss) - 65) for gloss in ALPHABET})
    assert spelled(root, "able").num_frames == 65


def test_a_language_without_letters_is_named_with_those_there_are(root, tmp_path):
    with pytest.raises(DataError, match=r"metadata\.jsonl: no letter of 'xxx'; it has ase, ukl"):
        spell(root, languages=("ase", "xxx"))
    with pytest.raises(DataError, match=r"metadata\.jsonl: no letter of 'ase'; it has none"):
        spell(build(tmp_path / "empty", [], {}))


def test_a_language_that_can_spell_no_word_is_named(tmp_path):
    root = alphabet(tmp_path / "root", ("ase", "gss"))
    lines = (root / "metadata.jsonl").read_text().splitlines()[:26]
    (root / "metadata.jsonl").write_text("\n".join([*lines, line("gss", "Γ"), line("gss", "Δ")]), encoding="utf-8")
    with pytest.raises(
        DataError, match=r"metadata\.jsonl: the letters of 'gss' spell none of the 12 words; name anoth"
    ):
        spell(root, languages=("ase", "gss"))


# What is wrong


def test_everything_that_is_wrong_with_the_list_is_named(tmp_path):
    lines = [line("ase", gloss) for gloss in ALPHABET] + ["{", line(fps=0), line("gss", "\u0393")]
    found = listed(build(tmp_path / "root", lines, {}), languages=("ase", "xxx", "gss"))
    wanted = (":27: not JSON", ":28: fps is 0", ": no letter of 'xxx'; it has ase, gss", ": the letters of 'gss' spell")
    assert len(found.problems) == len(wanted)
    for problem, text in zip(found.problems, wanted, strict=True):
        assert f"metadata.jsonl{text}" in problem.message
    assert {problem.kind for problem in found.problems} == {"letters"}
    assert len(found.recordings) == 12


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ("{", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("9" * 5000, "not JSON"),
        ("[]", "key, sentence_gloss, signed_language are needed, each a text"),
        ("null", "are needed"),
        (line(key=None), "are needed"),
        (line(key=""), "are needed"),
        (line(sentence_gloss=3), "are needed"),
        (line(signed_language=["ase"]), "are needed"),
        (line(fps=0), "fps is 0; give a number from 1 to 1000"),
        (line(fps=float("nan")), "fps is nan"),
        (line(fps=float("inf")), "fps is inf"),
        (line(fps=10**400), "fps is an enormous number"),
        (line(fps=True), "fps is True"),
        (line(fps="25"), "fps is '25'"),
        (line(fps=[25]), r"fps is \[25\]"),
    ],
)
def test_a_malformed_line_is_named(wrong, message, tmp_path):
    root = build(tmp_path / "root", [line(), "", wrong], {})
    with pytest.raises(DataError, match=rf"metadata\.jsonl:3: .*{message}") as raised:
        spell(root)
    assert len(str(raised.value)) < 500


def test_a_list_that_cannot_be_read_is_named(tmp_path):
    root = alphabet(tmp_path / "root")
    (root / "metadata.jsonl").write_bytes(b"{}\n\xff")
    with pytest.raises(DataError, match=r"metadata\.jsonl:2: not UTF-8 text"):
        spell(root)
    (root / "metadata.jsonl").unlink()
    with pytest.raises(DataError, match=r"metadata\.jsonl: cannot be read"):
        spell(root)


@pytest.mark.parametrize(
    ("frames", "message"),
    [
        (np.ones((NUM_FRAMES, 539)), r"\[ase_A\]: is float64 \(20, 539\); expected floats \(time, 540\)"),
        (np.ones(540), r"\[ase_A\]: is float64 \(540,\)"),
        (np.ones((1, NUM_FRAMES, 540)), r"\[ase_A\]: is float64 \(1, 20, 540\)"),
        (np.ones((0, 540)), r"\[ase_A\]: is float64 \(0, 540\)"),
        (np.ones((NUM_FRAMES, 540), np.int64), r"\[ase_A\]: is int64"),
        (np.ones((NUM_FRAMES, 540), complex), r"\[ase_A\]: is complex128"),
        (np.full((NUM_FRAMES, 540), "a"), r"\[ase_A\]: is <U1"),
        (np.array([[{}]]), r"\[ase_A\.npy\]: holds Python objects"),
        (np.full((NUM_FRAMES, 540), np.nan), r"\[ase_A\]: holds a value that is not finite"),
        (np.full((NUM_FRAMES, 540), -np.inf), r"\[ase_A\]: holds a value that is not finite"),
        (np.full((NUM_FRAMES, 540), 1e300), r"\[ase_A\]: holds a value that is not finite"),
    ],
)
def test_features_of_another_kind_are_named(frames, message, tmp_path):
    arrays = {f"ase_{gloss}": letter(0) for gloss in ALPHABET} | {"ase_A": frames}
    root = build(tmp_path / "root", [line(gloss=gloss) for gloss in ALPHABET], arrays)
    with pytest.raises(DataError, match=rf"features540\.npz{message}"):
        spell(root)


def test_features_that_are_not_there_are_named(tmp_path):
    root = alphabet(tmp_path / "root")
    lines = [line(), *(line(gloss=gloss, key=f"../{gloss}\ud800") for gloss in ALPHABET[1:])]
    (root / "metadata.jsonl").write_text("\n".join(lines))
    with pytest.raises(DataError, match=r"features540\.npz\[.*\]: no such array, though metadata\.jsonl names it"):
        spell(root)
    for damage, message in ((b"no archive", "not a readable npz archive"), (None, "no such file")):
        (root / "features540.npz").unlink()
        if damage is not None:
            (root / "features540.npz").write_bytes(damage)
        with pytest.raises(DataError, match=rf"features540\.npz: {message}"):
            spell(root)


def test_listing_reads_no_features(tmp_path):
    root = alphabet(tmp_path / "root")
    (root / "features540.npz").unlink()
    assert len(listed(root, num_words=3).recordings) == 3


def test_real_letters_are_joined_by_no_step_larger_than_those_inside(shared_data):
    root = shared_data / "sign" / "fingerspelling"
    if not root.is_dir():
        pytest.skip("needs recordings of letters in ../shared/data/sign/fingerspelling")

    def largest_step(frames):
        steps = np.abs(np.diff(frames[:, HOLISTIC.part_features("right_hand")], axis=0)).max(axis=1)
        detected = HOLISTIC.detected(frames)[:, HOLISTIC.part_landmarks("right_hand")].all(axis=1)
        return steps[detected[1:] & detected[:-1]].max(initial=0)

    with np.load(root / "features540.npz") as letters:
        largest = max(largest_step(letters[key]) for key in letters.files if key.startswith(("ase_", "psr_")))
    clips = spell(root, languages=("ase", "psr"), max_frames=128)
    assert len(clips) == 24
    for clip in clips:
        assert clip.num_frames <= 128
        assert 0 < largest_step(clip.frames) <= largest * 1.001
