import grain
import jax.numpy as jnp
import pytest

from jaxmm.checkpoint import Checkpoints
from jaxmm.errors import CheckpointError, DiskFullError
from jaxmm.horizon import Horizon
from jaxmm.state import TrainState
from jaxmm.train.saver import ALERT, Saver


class Disk(Checkpoints):
    """Stands for checkpoints on a disk that is full for a number of saves."""

    def __init__(self, *, full_for):
        self.full_for, self.saved = full_for, []

    def save(self, state, data, metrics):
        del data
        if self.full_for > 0:
            self.full_for -= 1
            raise DiskFullError(f"checkpoints/{int(state.step)}: the disk is full")
        self.saved.append((int(state.step), dict(metrics)))

    def steps(self):
        return [step for step, _ in self.saved]


def state_at(step):
    return TrainState(
        step=jnp.int32(step), params={}, collections={}, opt_state=(), key=jnp.zeros(2), guards={}, horizon=Horizon()
    )


def make_saver(disk):
    alerts = []
    batches = iter(grain.MapDataset.range(3).to_iter_dataset())
    return Saver(disk, batches, alert=lambda *alert: alerts.append(alert), waits=(0.0, 0.0)), alerts


def test_a_full_disk_is_counted_and_the_next_save_works(caplog):
    disk = Disk(full_for=2)
    saver, alerts = make_saver(disk)
    for step in (1, 2, 3):
        saver(state_at(step), {"val/recall": float(step)})
    assert disk.saved == [(3, {"val/recall": 3.0})]
    assert alerts == [(1, {ALERT: 1.0}), (2, {ALERT: 2.0})]
    assert "checkpoints/2: the disk is full; it will be tried again; make room" in caplog.text


def test_the_end_is_tried_again_with_its_scores():
    disk = Disk(full_for=2)
    saver, alerts = make_saver(disk)
    saver(state_at(9), {"val/recall": 0.5}, last=True)
    assert disk.saved == [(9, {"val/recall": 0.5})]
    assert len(alerts) == 2


@pytest.mark.parametrize(("saved", "kept"), [((), "nothing was saved before"), ((4,), "step 4 is the newest")])
def test_an_end_that_cannot_be_saved_is_an_error_that_says_what_is_kept(saved, kept):
    disk = Disk(full_for=0)
    saver, _ = make_saver(disk)
    for step in saved:
        saver(state_at(step), {})
    disk.full_for = 99
    with pytest.raises(CheckpointError, match=rf"trained to step 9, but not saved.*{kept}.*run the same command again"):
        saver(state_at(9), {}, last=True)
    assert disk.steps() == list(saved)
