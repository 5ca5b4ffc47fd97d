import pytest

from jaxmm.data.segmentation.folds import hold_out
from jaxmm.errors import ConfigError

NAMES = [f"video-{number}" for number in range(11)]
SPLITS = dict.fromkeys(NAMES[:9], "train") | dict.fromkeys(NAMES[9:], "test")


def held(splits, part):
    return {key for key, split in splits.items() if split == part}


def test_parts_are_disjoint_and_hold_every_video_that_is_not_test():
    parts = [hold_out(SPLITS, fold=(part, 4)) for part in range(4)]
    tested = [held(part, "test") for part in parts]
    assert sorted(key for own in tested for key in own) == sorted(held(SPLITS, "train"))
    assert all(set(part) == held(SPLITS, "train") for part in parts)
    assert max(map(len, tested)) - min(map(len, tested)) <= 1


def test_validation_is_of_training_and_does_not_move_with_other_videos():
    whole = hold_out(SPLITS, val_fraction=0.3)
    assert len(held(whole, "val")) == 3
    assert held(whole, "test") == held(SPLITS, "test")
    assert held(hold_out({**SPLITS, "video-9": "train"}, val_fraction=0.3), "val") <= held(whole, "val") | {"video-9"}


def test_validation_of_the_source_is_kept_but_its_videos_are_tested_in_parts_too():
    brought = {**SPLITS, NAMES[0]: "val"}
    assert hold_out(brought, val_fraction=0.5) == brought
    assert any(NAMES[0] in held(hold_out(brought, fold=(part, 3)), "test") for part in range(3))


def test_more_parts_than_videos_are_refused():
    with pytest.raises(ConfigError, match=r"data\.fold is \(0, 10\), but there are 9 videos"):
        hold_out(SPLITS, fold=(0, 10))


def test_groups_are_held_out_whole():
    groups = {name: f"g{number // 3}" for number, name in enumerate(NAMES[:6])}
    splits = hold_out(SPLITS, val_fraction=0.4, groups=groups)
    assert held(splits, "val") and held(splits, "train")
    for group in ("g0", "g1"):
        assert len({splits[name] for name in groups if groups[name] == group}) == 1
    assert hold_out(SPLITS, val_fraction=0.3, groups={}) == hold_out(SPLITS, val_fraction=0.3)
