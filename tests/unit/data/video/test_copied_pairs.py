"""Which clips are paired, how they are related, and what is drawn."""

from collections import Counter

import pytest

from jaxmm.data.video.copied_pairs import copied_pairs, pair_kind
from jaxmm.errors import DataError

KINDS = ("original", "cropped", "spliced", "logo")


def tags(source, number, kind, *, split="train", start=None, **more):
    start = 4.0 * number if start is None else start
    times = {"start": f"{start:.3f}", "end": f"{start + 4:.3f}"}
    return {"source": source, "excerpt": f"{source}#{number}", "kind": kind, "split": split, **times, **more}


@pytest.fixture(scope="module")
def clips():
    """Eight videos of two splits with three excerpts each; what is spliced into one is of the next."""
    found = {}
    for place in range(8):
        split = "train" if place < 5 else "test"
        mate = (place + 1) % 5 if place < 5 else 5 + (place - 4) % 3
        for number in range(3):
            for kind in KINDS:
                more = {"others": f"v{mate}"} if kind == "spliced" else {}
                found[f"v{place}#{number}/{kind}"] = tags(f"v{place}", number, kind, split=split, **more)
    return found


def test_clips_of_one_excerpt_are_copies():
    original, logo = tags("a", 0, "original"), tags("a", 0, "logo")
    assert pair_kind(original, logo) == pair_kind(logo, original) == "logo"
    assert pair_kind(logo, tags("a", 0, "cropped")) == "two_copies"
    assert pair_kind(original, tags("a", 0, "spliced", others="b")) == "spliced"


def test_excerpts_of_one_video_are_apart_unless_they_overlap():
    first = tags("a", 0, "original")
    assert pair_kind(first, tags("a", 1, "logo")) == "same_video"
    assert pair_kind(first, tags("a", 1, "logo", start=3.9995)) == "same_video"
    assert pair_kind(first, tags("a", 1, "logo", start=3.9)) is None
    assert pair_kind(tags("a", 1, "logo", start=3.9), first) is None


def test_what_is_spliced_in_is_no_other_video():
    spliced = tags("a", 0, "spliced", others="b")
    assert pair_kind(spliced, tags("c", 0, "original")) == "unrelated"
    assert pair_kind(spliced, tags("b", 0, "original")) is pair_kind(tags("b", 0, "original"), spliced) is None
    assert pair_kind(spliced, tags("c", 0, "spliced", others="b")) is None
    assert pair_kind(spliced, tags("a", 1, "original")) == "same_video"
    assert pair_kind(spliced, tags("a", 1, "spliced", others="b")) is None


def test_all_copies_are_paired_and_as_many_others_as_are_asked_for(clips):
    pairs = copied_pairs(clips, seed=0, unrelated=2.0, same_video=0.5)
    counts = Counter(pair.kind for pair in pairs)
    assert counts == {
        **dict.fromkeys(("cropped", "spliced", "logo"), 24),
        "two_copies": 72,
        "unrelated": 288,
        "same_video": 72,
    }
    labels = {"unrelated": 0, "same_video": None}
    for pair in pairs:
        one, other = clips[pair.a], clips[pair.b]
        assert one["split"] == other["split"] and pair.a != pair.b
        assert pair.kind == pair_kind(one, other) and pair.label == labels.get(pair.kind, 1)
    assert len({frozenset((pair.a, pair.b)) for pair in pairs}) == len(pairs)
    assert all(pair.a.endswith("original") for pair in pairs if pair.kind in ("cropped", "spliced", "logo"))


def test_pairs_depend_on_the_seed_alone(clips):
    pairs = copied_pairs(clips, seed=0)
    assert copied_pairs(dict(reversed(clips.items())), seed=0) == pairs
    assert copied_pairs(clips, seed=1) != pairs
    without = copied_pairs(clips, seed=0, unrelated=0.0)
    assert without == [pair for pair in pairs if pair.kind != "unrelated"]
    test = {key: own for key, own in clips.items() if own["split"] == "test"}
    assert [pair for pair in pairs if pair.a in test] == copied_pairs(test, seed=0)


def test_excerpts_of_one_video_count_as_different_where_they_are_to(clips):
    labels = {pair.label for pair in copied_pairs(clips, seed=0, same_video_differs=True) if pair.kind == "same_video"}
    assert labels == {0}


def test_no_more_are_drawn_than_there_are():
    clips = {f"a{number}{kind}": tags("a", number, kind) for number in range(2) for kind in ("original", "logo")}
    pairs = copied_pairs(clips, seed=0, same_video=5.0)
    assert Counter(pair.kind for pair in pairs) == {"logo": 2, "same_video": 4}
    assert copied_pairs({}, seed=0) == []


def test_a_clip_without_a_tag_is_named():
    with pytest.raises(DataError, match="b: has no tag 'split'; pairs are made of clips of CopiedVideos"):
        copied_pairs({"a": tags("a", 0, "original"), "b": {"source": "a"}}, seed=0)
    with pytest.raises(DataError, match="a clip has no tag 'excerpt'"):
        pair_kind({}, {})
