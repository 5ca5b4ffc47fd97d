"""The torch reference of MS-TCN against plain loops, and its recipe on videos made here."""

import math
from itertools import pairwise

import numpy as np
import pytest

from . import torch_ms_tcn as reference
from .torch_ms_tcn import torch

LENGTHS = (11, 30, 1)
TIME = 30
DIM, NUM_CLASSES = 6, 4


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


@pytest.fixture
def frame_mask():
    return torch.arange(TIME) < torch.tensor(LENGTHS)[:, None]


def small_model():
    return reference.MultiStageTcn(DIM, NUM_CLASSES, num_stages=3, num_layers=3, dim=8)


def test_the_published_size():
    model = reference.MultiStageTcn(56, 18)
    assert len(model.stages) == 4
    assert [layer.conv_dilated.dilation for layer in model.stages[0].layers] == [(2**i,) for i in range(10)]
    assert model(torch.zeros(1, 5, 56), torch.ones(1, 5).bool()).shape == (4, 1, 5, 18)


def test_a_clip_comes_out_of_a_batch_as_it_does_alone(frame_mask):
    model = small_model().eval()
    features = torch.randn(len(LENGTHS), TIME, DIM)
    together = model(features, frame_mask)
    for i, length in enumerate(LENGTHS):
        alone = model(features[i : i + 1, :length], torch.ones(1, length).bool())
        torch.testing.assert_close(together[:, i, :length], alone[:, 0], rtol=1e-5, atol=1e-5)


def test_later_stages_see_probabilities_alone():
    model = small_model().eval()
    features, mask = torch.randn(1, 9, DIM), torch.ones(1, 1, 9)
    logits = model(features, torch.ones(1, 9).bool())
    second = model.stages[1](torch.softmax(logits[0].transpose(1, 2), dim=1), mask)
    torch.testing.assert_close(logits[1], second.transpose(1, 2))


def test_losses_are_means_over_valid_frames_and_neighbours(frame_mask):
    logits = 4 * torch.randn(2, len(LENGTHS), TIME, NUM_CLASSES)
    labels = torch.randint(NUM_CLASSES, (len(LENGTHS), TIME))
    expected = 0
    for stage in logits.tolist():
        entropies, squares = [], []
        for i, length in enumerate(LENGTHS):
            log_probs = []
            for frame in stage[i][:length]:
                log_total = math.log(sum(math.exp(value) for value in frame))
                log_probs.append([value - log_total for value in frame])
            entropies += [-row[label] for row, label in zip(log_probs, labels[i].tolist(), strict=False)]
            for earlier, later in pairwise(log_probs):
                squares += [min((b - a) ** 2, 16) for a, b in zip(earlier, later, strict=True)]
        assert max(squares) == 16
        expected += sum(entropies) / len(entropies) + 0.15 * sum(squares) / len(squares)
    assert reference.segmentation_loss(logits, labels, frame_mask).item() == pytest.approx(expected, rel=1e-5)


def test_smoothing_moves_the_later_frame_alone():
    logits = torch.randn(1, 2, NUM_CLASSES, requires_grad=True)
    reference.smoothing_loss(logits, torch.ones(1, 2).bool()).backward()
    assert not logits.grad[0, 0].any()
    assert logits.grad[0, 1].abs().min() > 0


def test_a_single_frame_has_no_smoothing():
    assert reference.smoothing_loss(torch.randn(1, 3, 2), torch.tensor([[True, False, False]])) == 0


def test_a_split_of_videos_that_show_their_labels_is_learned(tmp_path):
    for folder in ("features", "groundTruth", "splits"):
        (tmp_path / folder).mkdir()
    (tmp_path / "mapping.txt").write_text("1 stir\n0 cut\n2 null\n")
    names = np.array(["cut", "stir", "null"])
    rng = np.random.default_rng(0)
    for i in range(6):
        labels = np.repeat(rng.permutation(3), rng.integers(8, 15, 3))
        features = np.eye(3)[labels] + 0.1 * rng.normal(size=(len(labels), 3))
        np.save(tmp_path / "features" / f"v{i}.npy", features.T)
        (tmp_path / "groundTruth" / f"v{i}.txt").write_text("".join(f"{name}\n" for name in names[labels]))
    (tmp_path / "splits" / "train.split1.bundle").write_text("v0.txt\nv1.npy\nv2\nv3.txt\n")
    (tmp_path / "splits" / "test.split1.bundle").write_text("v4.txt\nv5.txt\n")
    metrics = reference.train_split(tmp_path, 1, epochs=20)
    assert metrics["accuracy"] > 90
    assert metrics["f1@50 exclusive"] > 80
