import hashlib
import json
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxmm.data.splits import FileSplit, HashSplit, TagSplit, few_shots
from jaxmm.errors import DataError

KEYS = tuple(f"motion_{number}" for number in range(300))
TAGS = {key: {} for key in KEYS}


@pytest.fixture
def split_file(tmp_path):
    def write(content):
        path = tmp_path / "split.json"
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return FileSplit(path=str(path))

    return write


def test_the_hash_split_is_md5_of_the_key():
    assigned = HashSplit(num_buckets=10, test=(0,), val=(3, 4)).assign(TAGS)
    for key, split in assigned.items():
        bucket = int(hashlib.md5(key.encode()).hexdigest(), 16) % 10
        assert split == ("test" if bucket == 0 else "val" if bucket in (3, 4) else "train")
    assert 200 < sum(split == "train" for split in assigned.values()) < 260


@settings(max_examples=25, deadline=None)
@given(st.sets(st.text(st.characters(exclude_categories=["Cs"]))))
def test_more_recordings_move_none_of_the_others(more):
    split = HashSplit(num_buckets=4, test=(1,), val=(2,))
    together = split.assign({**TAGS, **{key: {} for key in more}})
    assert {key: together[key] for key in KEYS} == split.assign(TAGS)


@pytest.mark.parametrize(
    "settings",
    [
        {"test": (10,)},
        {"test": (-1,)},
        {"test": (0,), "val": (0,)},
        {"test": (1, 1)},
        {"num_buckets": 2, "test": (0,), "val": (1,)},
        {"num_buckets": 0, "test": ()},
    ],
)
def test_buckets_that_do_not_fit_are_refused(settings):
    with pytest.raises(
        DataError, match=r"split: test .* must be different buckets among 0 to .* leave one for training"
    ):
        HashSplit(**settings)


def test_a_file_lists_the_keys_of_each_split(split_file):
    split = split_file({"train": ["a", "b"], "val": [], "test": ["c"]})
    assert split.assign({"c": {}, "a": {}, "b": {}}) == {"a": "train", "b": "train", "c": "test"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", r"split.json: cannot be read as JSON .*; write lists of keys by split"),
        ("[]", r"split.json: expected an object with the lists train, val, test"),
        ({"train": ["a", "b"], "dev": []}, r"split.json: expected an object with the lists train, val, test"),
        ({"train": ["a", "b"], "test": ["a"]}, r"split.json: 'a' stands in 'train' and in 'test'; keep one"),
        ({"train": ["a", "b", "x", "y"]}, r"split.json: 'x' and 1 more are not in the data; remove them"),
        ({"train": ["a"]}, r"split.json: 'b' and 0 more of the data have no split; add them"),
        ({"train": 5}, r"split.json: "),
        ({"train": None}, r"split.json: "),
        ({"train": [["a"], "b"]}, r"split.json: "),
        ({"train": ["a", "b", 1, "x"]}, r"split.json: "),
        ({"train": "ab"}, r"split.json: "),
    ],
)
def test_a_file_that_does_not_fit_the_data_is_refused(content, message, split_file):
    with pytest.raises(DataError, match=message):
        split_file(content).assign({"a": {}, "b": {}})


def test_an_absent_or_binary_file_is_refused(tmp_path):
    path = tmp_path / "split.json"
    with pytest.raises(DataError, match=r"split.json: cannot be read as JSON"):
        FileSplit(path=str(path)).assign(TAGS)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match=r"split.json: cannot be read as JSON"):
        FileSplit(path=str(path)).assign(TAGS)


def test_a_tag_may_name_the_split():
    tags = {"a": {"part": "val", "style": "x"}, "b": {"part": "train"}}
    assert TagSplit(tag="part").assign(tags) == {"a": "val", "b": "train"}


@pytest.mark.parametrize(("tags", "value"), [({}, "None"), ({"split": "dev"}, "'dev'"), ({"split": "Test"}, "'Test'")])
def test_a_tag_that_is_no_split_is_refused(tags, value):
    with pytest.raises(DataError, match=f"b: tag 'split' is {value}, not train, val or test; choose a HashSplit"):
        TagSplit().assign({"a": {"split": "train"}, "b": tags})


def test_recordings_that_share_a_tag_stay_together():
    tags = {key: {"group": f"g{number // 10}"} for number, key in enumerate(KEYS)}
    assigned = HashSplit(num_buckets=3, tag="group").assign(tags)
    for start in range(0, len(KEYS), 10):
        assert len({assigned[key] for key in KEYS[start : start + 10]}) == 1
    assert set(assigned.values()) == {"train", "test"}
    with pytest.raises(DataError, match=r"motion_0: has no tag 'take'; set data.split.tag to None, or add the tag"):
        HashSplit(tag="take").assign(tags)


def test_few_shots_are_of_training_and_stay_for_more():
    assigned = {key: "test" if number % 5 == 0 else "train" for number, key in enumerate(KEYS)}
    classes = {key: str(number % 7) for number, key in enumerate(KEYS)}
    kept = [few_shots(assigned, classes, shots=shots, seed=0) for shots in (1, 4)]
    for shots, own in zip((1, 4), kept, strict=True):
        assert [own[key] for key in KEYS if assigned[key] == "test"] == ["test"] * 60
        counts = Counter(classes[key] for key, split in own.items() if split == "train")
        assert set(counts.values()) == {shots} and len(counts) == 7
    assert kept[0].keys() < kept[1].keys()
    assert few_shots(assigned, classes, shots=4, seed=1) != kept[1]
    assert few_shots(assigned, classes, shots=300, seed=0) == assigned
