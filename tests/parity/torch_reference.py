"""The model, loss, optimizer and schedule of seed 000 in torch, as published; only named arguments are added."""

import pytest

torch = pytest.importorskip("torch")
F = torch.nn.functional


class DanceEncoder(torch.nn.Module):
    """The motion encoder of seed 000, with its two widths, its dropout and its axes made arguments.

    The published code reshapes (batch, joints, time, 3) straight to (batch, joints * 3, time), which mixes the axes.
    With `mixed_axes=False` every channel is one coordinate of one joint, as the text around that code describes.
    """

    def __init__(self, num_joints=25, embedding_dim=256, dropout=0.2, mixed_axes=True):
        super().__init__()
        self.mixed_axes = mixed_axes
        self.spatial_conv = torch.nn.Sequential(
            torch.nn.Conv1d(num_joints * 3, 64, kernel_size=3, padding=1),
            torch.nn.BatchNorm1d(64),
            torch.nn.ReLU(),
            torch.nn.Conv1d(64, 128, kernel_size=3, padding=1),
            torch.nn.BatchNorm1d(128),
            torch.nn.ReLU(),
        )
        self.gru = torch.nn.GRU(
            input_size=128, hidden_size=256, num_layers=2, batch_first=True, bidirectional=True, dropout=dropout
        )
        self.fc = torch.nn.Sequential(torch.nn.Linear(512, 256), torch.nn.ReLU(), torch.nn.Linear(256, embedding_dim))

    def forward(self, x):
        batch_size, num_joints, num_frames, num_coords = x.shape
        if self.mixed_axes:
            x = x.reshape(batch_size, -1, x.size(2))
        else:
            x = x.permute(0, 1, 3, 2).reshape(batch_size, num_joints * num_coords, num_frames)
        x = self.spatial_conv(x)
        x = x.permute(0, 2, 1)
        _, h_n = self.gru(x)
        h_n = h_n.view(2, 2, batch_size, 256)[-1]
        h_n = h_n.permute(1, 0, 2).contiguous().view(batch_size, -1)
        return F.normalize(self.fc(h_n), p=2, dim=1)


class ProjectionHead(torch.nn.Module):
    """The text tower of seed 000 above its language model."""

    def __init__(self, hidden_size=768, embedding_dim=256):
        super().__init__()
        self.projection = torch.nn.Sequential(
            torch.nn.Linear(hidden_size, 512), torch.nn.ReLU(), torch.nn.Linear(512, embedding_dim)
        )

    def forward(self, cls_output):
        return F.normalize(self.projection(cls_output), p=2, dim=1)


class TwoTowers(torch.nn.Module):
    """Both towers of seed 000, on sentence vectors in place of a language model."""

    def __init__(self, dance_encoder, text_encoder):
        super().__init__()
        self.dance_encoder = dance_encoder
        self.text_encoder = text_encoder


def compute_loss(dance_embeddings, text_embeddings, temperature=0.07):
    """The loss of seed 000: cross-entropy over the batch, averaged over both directions."""
    logits = torch.matmul(dance_embeddings, text_embeddings.t()) / temperature
    labels = torch.arange(dance_embeddings.shape[0])
    loss_d2t = F.cross_entropy(logits, labels)
    loss_t2d = F.cross_entropy(logits.t(), labels)
    return (loss_d2t + loss_t2d) / 2


def optimizer_and_scheduler(model, learning_rate=3e-4, weight_decay=1e-5, epochs=50):
    """The training recipe of seed 000; the scheduler steps once per epoch."""
    optimizer = torch.optim.AdamW(
        [
            {"params": model.dance_encoder.parameters()},
            {"params": model.text_encoder.parameters(), "lr": learning_rate * 0.1},
        ],
        lr=learning_rate,
        weight_decay=weight_decay,
    )
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=epochs, eta_min=1e-6)
    return optimizer, scheduler
