"""MS-TCN (Farha and Gall 2019, arXiv:1903.01945) in torch, and the recipe of the reference figures on 50 Salads.

Shapes: features (batch, time, dim), logits (stages, batch, time, classes), masks (batch, time) boolean.
"""

from pathlib import Path

import numpy as np
import pytest

from .segment_metrics import segmentation_metrics

torch = pytest.importorskip("torch")
nn, F = torch.nn, torch.nn.functional

NUM_STAGES, NUM_LAYERS, HIDDEN_DIM = 4, 10, 64
DROPOUT_RATE = 0.5
SMOOTHING_WEIGHT, MAX_SQUARE = 0.15, 16.0
LR = 5e-4


class DilatedResidualLayer(nn.Module):
    """A dilated convolution, ReLU, a 1x1 convolution and dropout, added to the input."""

    def __init__(self, dim, dilation):
        super().__init__()
        self.conv_dilated = nn.Conv1d(dim, dim, 3, padding=dilation, dilation=dilation)
        self.conv_1x1 = nn.Conv1d(dim, dim, 1)
        self.dropout = nn.Dropout(DROPOUT_RATE)

    def forward(self, x, mask):
        return (x + self.dropout(self.conv_1x1(F.relu(self.conv_dilated(x))))) * mask


class Stage(nn.Module):
    """Layers of dilation 1, 2, 4 and so on between two 1x1 convolutions; (batch, dim, time) in and out."""

    def __init__(self, in_dim, num_classes, num_layers=NUM_LAYERS, dim=HIDDEN_DIM):
        super().__init__()
        self.conv_in = nn.Conv1d(in_dim, dim, 1)
        self.layers = nn.ModuleList(DilatedResidualLayer(dim, 2**i) for i in range(num_layers))
        self.conv_out = nn.Conv1d(dim, num_classes, 1)

    def forward(self, x, mask):
        x = self.conv_in(x) * mask
        for layer in self.layers:
            x = layer(x, mask)
        return self.conv_out(x) * mask


class MultiStageTcn(nn.Module):
    """The first stage sees the features, each later one the probabilities of the stage before alone."""

    def __init__(self, in_dim, num_classes, num_stages=NUM_STAGES, num_layers=NUM_LAYERS, dim=HIDDEN_DIM):
        super().__init__()
        in_dims = [in_dim] + [num_classes] * (num_stages - 1)
        self.stages = nn.ModuleList(Stage(in_dims[i], num_classes, num_layers, dim) for i in range(num_stages))

    def forward(self, features, frame_mask):
        mask = frame_mask.unsqueeze(1).to(features.dtype)
        x, logits = features.transpose(1, 2) * mask, []
        for stage in self.stages:
            logits.append(stage(x, mask))
            x = F.softmax(logits[-1], dim=1) * mask
        return torch.stack(logits).transpose(2, 3)


def classification_loss(logits, labels, frame_mask):
    """Cross entropy of one stage's logits (batch, time, classes), averaged over the valid frames."""
    return F.cross_entropy(logits[frame_mask], labels[frame_mask])


def smoothing_loss(logits, frame_mask):
    """Truncated squares of the change of log probabilities, averaged over valid neighbours and classes.

    The earlier frame of a pair has no gradient. 0 where no two valid frames are neighbours.
    """
    log_probs = F.log_softmax(logits, dim=-1)
    squares = (log_probs[:, 1:] - log_probs[:, :-1].detach()).square().clamp(max=MAX_SQUARE)
    squares = squares[frame_mask[:, 1:] & frame_mask[:, :-1]]
    return squares.mean() if len(squares) else squares.sum()


def segmentation_loss(logits, labels, frame_mask):
    """The sum over stages of both losses."""
    return sum(
        classification_loss(stage, labels, frame_mask) + SMOOTHING_WEIGHT * smoothing_loss(stage, frame_mask)
        for stage in logits
    )


def read_bundle(path):
    """The names of a split's videos, without suffix."""
    return [Path(line.strip()).stem for line in path.read_text().splitlines() if line.strip()]


def read_video(root, name, places):
    """Features (time, dim) and places of labels (time,)."""
    features = np.load(root / "features" / f"{name}.npy", allow_pickle=False).T.astype(np.float32)
    labels = (root / "groundTruth" / f"{name}.txt").read_text().split()
    if len(features) != len(labels):
        raise ValueError(f"{name}: {len(features)} frames of features, {len(labels)} of labels")
    return torch.from_numpy(features), torch.tensor([places[label] for label in labels])


def train_split(root, split, *, epochs=40, seed=0):
    """Metrics of the test videos in percent after the last epoch: 56-d features standardised by the training frames.

    Adam 5e-4, one video a step, the videos of each epoch in a new order. `root` is the folder of 50 Salads.
    """
    root = Path(root)
    lines = (root / "mapping.txt").read_text().split("\n")
    places = {label: int(place) for place, label in (line.split() for line in lines if line.strip())}
    train, test = (
        [read_video(root, name, places) for name in read_bundle(root / "splits" / f"{part}.split{split}.bundle")]
        for part in ("train", "test")
    )
    frames = torch.cat([features for features, _ in train])
    mean, std = frames.mean(dim=0), frames.std(dim=0, unbiased=False).clamp(min=1e-6)

    def batch_of(video):
        features, labels = video
        return ((features - mean) / std)[None], labels[None], torch.ones(1, len(labels), dtype=torch.bool)

    torch.manual_seed(seed)
    model = MultiStageTcn(frames.shape[1], len(places))
    optimizer = torch.optim.Adam(model.parameters(), lr=LR)
    for _ in range(epochs):
        for place in torch.randperm(len(train)).tolist():
            features, labels, frame_mask = batch_of(train[place])
            loss = segmentation_loss(model(features, frame_mask), labels, frame_mask)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()

    model.eval()
    predicted = []
    with torch.no_grad():
        for video in test:
            features, _, frame_mask = batch_of(video)
            predicted.append(model(features, frame_mask)[-1, 0].argmax(dim=-1).tolist())
    return segmentation_metrics(predicted, [labels.tolist() for _, labels in test])
