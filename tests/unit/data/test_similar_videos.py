"""Batches of compared videos: what is drawn, how rows are related, where they go on, and pairs to evaluate by."""

import dataclasses
from collections import Counter
from functools import partial

import numpy as np
import pytest

from jaxmm.config import decode, encode
from jaxmm.data.comparing import CopyPairs, LabelPairs
from jaxmm.data.families import FamilySampler
from jaxmm.data.inventory import list_synthetic
from jaxmm.data.listed_pairs import ListedPairs
from jaxmm.data.segmentation.vocabulary import Vocabulary
from jaxmm.data.similar_videos import SimilarVideos
from jaxmm.data.video.alterations import Alteration, fitted
from jaxmm.data.video.augmentation import ClipAugmentation
from jaxmm.data.video.clip import MadeVideo
from jaxmm.data.video.copied_pairs import pair_kind
from jaxmm.data.video.sources import ProceduralVideos
from jaxmm.errors import ConfigError, DataError

from .kinds import SEED, assert_equal, first_batches

SHAPES = ProceduralVideos(
    looks=("red_bar", "green_square"), moves=("left", "right"), num_train=3, num_val=2, num_test=2
)
LABELS = LabelPairs(classes_per_batch=3, clips_per_class=2)
COPIES = CopyPairs(excerpts_per_batch=4, copies_per_excerpt=3, spliced=True)
PAIRS = "a,b,label,kind\n{0}-0,{1}-0,1,same_action\n{0}-0,{2}-0,0,unrelated\n{1}-1,{2}-1,0,\n".format(
    "train-red_bar_left", "train-red_bar_right", "train-green_square_left"
)


def noise(key, num_frames, size):
    return np.random.default_rng(list(key.encode())).integers(0, 255, (num_frames, size, size, 3), np.uint8)


@dataclasses.dataclass(frozen=True, kw_only=True)
class MadeCopies(ProceduralVideos):
    """Two excerpts of each of four films a split, with altered copies, as `CopiedVideos` tags them, without files."""

    def inventory(self, root):
        return list_synthetic(root, {split: partial(self.clips, split) for split in ("train", "test")}, instead="-")

    def vocabulary(self, root):
        return Vocabulary.of(list(dict.fromkeys(clip.label for clip in self.inventory(root).items())))

    def outside(self, root):
        return ()

    def clips(self, split):
        for film in range(4):
            name, other = f"{split}{film}", f"{split}{(film + 1) % 4}"
            for number in range(2):
                excerpt = f"{name}#{number}"
                tags = {"split": split, "group": name, "source": name, "excerpt": excerpt}
                tags |= {"start": f"{number}.0", "end": f"{number + 1}.0"}
                for kind in ("original", "cropped", "retimed", "spliced"):
                    own = {**tags, "kind": kind} | ({"others": other} if kind == "spliced" else {})
                    make = partial(self.make, excerpt, kind, other)
                    yield MadeVideo(key=f"{excerpt}/{kind}", label=excerpt, tags=own, make=make, fps=8.0)

    def make(self, excerpt, kind, other, size):
        frames = noise(excerpt, 8, size)
        if kind == "original":
            return frames
        alteration = Alteration.drawn(np.random.default_rng(0), kind=kind)
        altered = alteration(frames, noise(f"{other}#0", 8, size) if kind == "spliced" else None)
        return fitted(altered, size, size)


@dataclasses.dataclass(frozen=True, kw_only=True)
class MadeLengths(MadeCopies):
    """Two classes of a video of one frame and one of 10,000."""

    def clips(self, split):
        for label in ("one", "other"):
            for num_frames in (1, 10_000) if split == "train" else (2,):
                key = f"{split}-{label}-{num_frames}"
                make = partial(noise, key, num_frames)
                yield MadeVideo(key=key, label=label, tags={"split": split}, make=make, fps=8.0)


def settings_of(**changes):
    usual = {"source": SHAPES, "frame_size": 8, "frames_per_clip": 3, "num_threads": 1, "batch_size": 6}
    return SimilarVideos(**{**usual, "comparing": LABELS, **changes})


@pytest.fixture(scope="module")
def labelled(cache, tmp_path_factory):
    del cache
    changes = ClipAugmentation(brightness=0.5)
    return settings_of(augmentation=changes).open(tmp_path_factory.mktemp("labelled"))


@pytest.fixture(scope="module")
def copied(cache, tmp_path_factory):
    del cache
    settings = settings_of(source=MadeCopies(), batch_size=12, comparing=COPIES)
    return settings.open(tmp_path_factory.mktemp("copied"))


@pytest.fixture
def listed(cache, tmp_path):
    del cache

    def opened(text, **changes):
        (tmp_path / "pairs.csv").write_text(text)
        settings = settings_of(comparing=ListedPairs(table=str(tmp_path / "pairs.csv")), batch_size=4, **changes)
        return settings.open(tmp_path / "assets")

    return opened


@pytest.mark.parametrize(("num_families", "num_members"), [(3, 2), (4, 1), (7, 3), (1, 2)])
def test_each_batch_has_p_families_of_k_and_all_come_equally_often(num_families, num_members):
    families = [[10 * number + member for member in range(2 + number % 3)] for number in range(7)]
    sampler = FamilySampler(families, num_families=num_families, num_members=num_members, seed=1)
    seen = Counter()
    for step in range(50):
        drawn = sampler.draw(step)
        counts = Counter(member // 10 for member in drawn)
        assert len(counts) == num_families and set(counts.values()) == {num_members}
        assert all(
            len({*own}) == min(num_members, len(families[f]))
            for f in counts
            for own in [[m for m in drawn if m // 10 == f]]
        )
        seen.update(counts.keys())
        assert max(seen.values()) - min(seen[number] for number in range(7)) <= 1


def test_rows_of_a_class_belong_together_and_all_others_do_not(labelled):
    for batch in first_batches(labelled, 5):
        same = batch["label"][:, None] == batch["label"][None, :]
        np.testing.assert_array_equal(batch["relation"], np.where(same, 1, -1) - np.eye(6, dtype=np.int8))
        assert sorted(Counter(batch["label"].tolist()).values()) == [2, 2, 2]
        np.testing.assert_array_equal(batch["group"], batch["label"])
    shapes = {name: (array.shape, array.dtype) for name, array in batch.items()}
    assert shapes["relation"] == ((6, 6), np.int8) and labelled.has_labels
    for other in (labelled.sample_batch(), next(labelled.batches("test"))):
        assert {name: (array.shape, array.dtype) for name, array in other.items()} == shapes
    assert labelled.settings.blank_batch().keys() == shapes.keys()


def test_fill_rows_are_not_compared(labelled):
    last = list(labelled.batches("test"))[-1]
    fill = ~last["example_mask"]
    assert fill.any() and not last["relation"][fill].any() and not last["relation"][:, fill].any()


@pytest.mark.parametrize("name", ["labelled", "copied"])
def test_processes_share_a_batch_and_a_resumed_run_goes_on_as_if_never_stopped(name, request):
    data = request.getfixturevalue(name)
    whole = first_batches(data, 12)
    halves = [first_batches(data, 12, process=process, num_processes=2) for process in range(2)]
    for batch, *parts in zip(whole, *halves, strict=True):
        assert_equal({key: np.concatenate([part[key] for part in parts]) for key in batch}, batch)
    iterator = data.train_batches(seed=SEED)
    for _ in range(7):
        next(iterator)
    resumed = data.train_batches(seed=SEED)
    resumed.set_state(iterator.get_state())
    for batch in whole[7:]:
        assert_equal(next(resumed), batch)


def test_copies_are_related_as_their_tags_say(copied):
    clips = {clip.index: clip for clip in copied.clips("train")}
    met = set()
    for batch in first_batches(copied, 20):
        for row, a in enumerate(batch["clip"].tolist()):
            for column, b in enumerate(batch["clip"].tolist()):
                kind = pair_kind(clips[a].tags, clips[b].tags)
                expected = {None: 0, "same_video": 0, "unrelated": -1}.get(kind, 1)
                assert batch["relation"][row, column] == (0 if row == column else expected)
                met.add(kind)
    assert {None, "same_video", "unrelated", "two_copies", "cropped"} <= met
    assert not copied.has_labels


def test_a_memory_meets_no_spliced_clip_unless_it_is_told_to(copied):
    settings = dataclasses.replace(copied.settings, comparing=dataclasses.replace(COPIES, spliced=False))
    data = settings.open(copied.assets)
    assert data.has_labels
    kinds = {clip.index: clip.tags["kind"] for clip in data.clips("train")}
    assert {kinds[index] for batch in first_batches(data, 9) for index in batch["clip"].tolist()} == {
        "original",
        "cropped",
        "retimed",
    }


def test_pairs_of_an_evaluation_have_their_kinds(labelled, copied):
    pairs = labelled.pairs("test")
    assert Counter(pair.kind for pair in pairs) == {"same_class": 4, "different_class": 4}
    labels = {clip.index: clip.label for clip in labelled.clips("test")}
    assert all(pair.same == (labels[pair.a] == labels[pair.b]) and pair.a != pair.b for pair in pairs)
    assert pairs == labelled.pairs("test") and len({(pair.a, pair.b) for pair in pairs}) == 8
    kinds = {pair.kind: pair.same for pair in copied.pairs("test")}
    expected = {"cropped": True, "retimed": True, "spliced": True, "two_copies": True, "unrelated": False}
    assert kinds == expected
    few = dataclasses.replace(copied.settings, comparing=dataclasses.replace(COPIES, max_pairs=5))
    assert len(few.open(copied.assets).pairs("test")) == 5


def test_listed_pairs_are_drawn_side_by_side(listed):
    data = listed(PAIRS)
    said = {(pair.a, pair.b): 1 if pair.same else -1 for pair in data.pairs("train")}
    assert not data.has_labels and [pair.kind for pair in data.pairs("train")] == ["same_action", "unrelated", ""]
    for batch in first_batches(data, 6):
        clips, relation = batch["clip"].tolist(), batch["relation"]
        assert all(relation[row, row + 1] for row in (0, 2))
        for row, a in enumerate(clips):
            for column, b in enumerate(clips):
                assert relation[row, column] == said.get((a, b), said.get((b, a), 0))
    with pytest.raises(DataError, match="the split 'test' has no pair"):
        data.pairs("test")


def test_a_list_with_bad_lines_is_an_error_and_checked_whole(listed, tmp_path):
    bad = PAIRS + "train-red_bar_left-0,test-red_bar_left-0,1,\nnobody,train-red_bar_left-0,1,\n"
    with pytest.raises(DataError, match=r"pairs\.csv:6: 'a' is 'nobody'"):
        listed(bad)
    settings = settings_of(comparing=ListedPairs(table=str(tmp_path / "pairs.csv")), batch_size=4)
    messages = [problem.message for problem in settings.check(None).problems]
    assert any("pairs.csv:6" in own for own in messages)
    assert any(
        "pairs.csv:5: 'train-red_bar_left-0' is of train, 'test-red_bar_left-0' of test" in own for own in messages
    )


def test_videos_of_one_and_of_very_many_frames_share_a_batch(cache, tmp_path):
    del cache
    comparing = LabelPairs(classes_per_batch=2, clips_per_class=2)
    settings = settings_of(source=MadeLengths(), batch_size=4, max_frames=10_000, comparing=comparing)
    (batch,) = first_batches(settings.open(tmp_path), 1)
    assert sorted(batch["frame_mask"].sum(axis=1).tolist()) == [1, 1, 3, 3] and batch["example_mask"].all()


def test_a_change_is_drawn_once_a_clip(labelled):
    """D8: all frames of a clip are brighter by the same factor."""
    (batch,) = first_batches(labelled, 1)
    whole = {clip.index: clip.frames for clip in labelled.clips("train")}
    for frames, clip, index in zip(batch["frames"], batch["clip"], batch["frame_index"], strict=True):
        before = whole[int(clip)][index].astype(float)
        sound = (frames > 20) & (frames < 250)
        ratios = [(frames[t][sound[t]] / before[t][sound[t]]).mean() for t in range(3)]
        assert np.ptp(ratios) < 0.02


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"batch_size": 8}, r"batch_size is 8, but .*classes_per_batch .* is 3 \* 2 = 6; make them equal"),
        ({"comparing": ListedPairs(), "batch_size": 3}, "batch_size is 3, but ListedPairs"),
    ],
)
def test_a_batch_that_cannot_be_drawn_is_refused(changes, message):
    with pytest.raises(ConfigError, match=message):
        settings_of(**changes)


def test_too_few_classes_and_other_videos_than_copies_are_refused(cache, tmp_path):
    del cache
    many = settings_of(comparing=LabelPairs(classes_per_batch=5, clips_per_class=2), batch_size=10)
    with pytest.raises(ConfigError, match="5 classes, but the training split has 4"):
        _ = many.open(tmp_path).steps_per_epoch
    with pytest.raises(ConfigError, match=r"comparing is CopyPairs, but .* has no tag 'source'"):
        settings_of(comparing=COPIES, batch_size=12).open(tmp_path)


def test_settings_come_back_from_a_file_and_relations_change_the_fingerprint(labelled, listed):
    assert decode(encode(labelled.settings)) == labelled.settings
    one, other = (listed(text).fingerprint(seed=0)["data"]["compared"] for text in (PAIRS, PAIRS.replace(",1,", ",0,")))
    assert one != other
