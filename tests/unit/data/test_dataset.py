from pathlib import Path

import numpy as np
import pytest

from jaxmm.data.dataset import Dataset, DataSettings
from jaxmm.data.store import open_stored, store
from jaxmm.errors import ConfigError


class Numbers(Dataset[DataSettings]):
    """Clips of one number, drawn from the seed of their row."""

    def _train_batch(self, step, picks, rows, seed):
        drawn = [np.random.default_rng((seed, step, row)).integers(1000) for row in rows]
        return {"clip": np.asarray(picks)[rows.start : rows.stop], "drawn": np.array(drawn)}


@pytest.fixture
def stored(tmp_path):
    clips = ((f"clip{index}", np.full((2, 1), index, np.float32), {}) for index in range(10))
    store(clips, tmp_path / "stored", fps=1.0, about=dict)
    return open_stored(tmp_path / "stored", shape=lambda about: (1,))


@pytest.fixture
def data(stored):
    splits = dict.fromkeys(stored.keys, "train") | {"clip9": "test"}
    del splits["clip8"]
    return Numbers(DataSettings(batch_size=4), stored, splits)


def taken(iterator, count):
    return [next(iterator) for _ in range(count)]


def test_an_epoch_takes_every_clip_of_training_at_most_once_and_batches_are_full(data):
    assert data.steps_per_epoch == 2
    for first in range(0, 6, 2):
        epoch = taken(data.train_batches(seed=0), 6)[first : first + 2]
        clips = np.concatenate([batch["clip"] for batch in epoch])
        assert len(set(clips.tolist())) == 8 == len(clips)
        assert set(clips.tolist()) <= set(range(8))


def test_the_order_depends_on_seed_and_epoch(data):
    batches = taken(data.train_batches(seed=0), 4)
    assert any((batches[0]["clip"] != batches[2]["clip"]).tolist())
    assert any((batches[0]["clip"] != next(data.train_batches(seed=1))["clip"]).tolist())


def test_processes_share_a_batch_in_order(data):
    whole = taken(data.train_batches(seed=3), 3)
    parts = [taken(data.train_batches(seed=3, process=process, num_processes=2), 3) for process in range(2)]
    for step, batch in enumerate(whole):
        for name, rows in batch.items():
            np.testing.assert_array_equal(rows, np.concatenate([part[step][name] for part in parts]))
    with pytest.raises(ConfigError, match="3 processes cannot share equally"):
        data.train_batches(seed=3, num_processes=3)


def test_the_stream_goes_on_from_its_position(data):
    stream = data.train_batches(seed=0)
    taken(stream, 3)
    position, ahead = stream.get_state(), taken(stream, 3)
    again = data.train_batches(seed=0)
    again.set_state(position)
    for expected, found in zip(ahead, taken(again, 3), strict=True):
        np.testing.assert_array_equal(expected["clip"], found["clip"])
        np.testing.assert_array_equal(expected["drawn"], found["drawn"])


def test_splits_name_what_they_hold(data):
    assert data.split("test") == [9]
    assert data.has_split("test") and not data.has_split("val")
    with pytest.raises(ConfigError, match=r"no 'val' in the data; choose among train \(8\), test \(1\)"):
        data.split("val")


def test_a_split_smaller_than_a_batch_is_refused(stored):
    small = Numbers(DataSettings(batch_size=4), stored, {"clip0": "train"})
    with pytest.raises(ConfigError, match="batch_size is 4, but the training split has 1 clips; set it to 1 or less"):
        small.train_batches(seed=0)


@pytest.mark.parametrize("field", ["batch_size", "num_threads"])
def test_numbers_out_of_range_are_refused(field):
    with pytest.raises(ConfigError, match=f"data.{field} is 0; give a value above zero"):
        DataSettings(**{field: 0})


def test_what_a_kind_of_data_must_define_is_named(stored, tmp_path):
    for name, call in (
        ("open", lambda: DataSettings().open(tmp_path)),
        ("check", lambda: DataSettings().check(None)),
        ("blank_batch", lambda: DataSettings().blank_batch()),
    ):
        with pytest.raises(TypeError, match=f"DataSettings must define {name}"):
            call()
    plain = Dataset(DataSettings(batch_size=2), stored, dict.fromkeys(stored.keys, "train"))
    with pytest.raises(TypeError, match="Dataset must define sample_batch"):
        plain.sample_batch()
    with pytest.raises(TypeError, match="Dataset must define _train_batch"):
        next(plain.train_batches(seed=0))


def test_the_folder_is_the_root():
    assert DataSettings(root="there").folder == Path("there")
    assert DataSettings().folder is None
