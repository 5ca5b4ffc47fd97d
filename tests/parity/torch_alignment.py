"""Seed 002, semantic alignment with a temporal convolutional network, in torch: model, losses and update.

Shapes: features and outputs (batch, time, dim), masks (batch, time) boolean with True where valid. A mask of None says
that every frame is valid, and then everything is torch's own.
"""

import pytest

torch = pytest.importorskip("torch")
nn, F = torch.nn, torch.nn.functional

VISUAL_DIM, HIDDEN_DIMS, PROJECTOR_DIM, SEMANTIC_DIM = 768, (512, 128, 64), 512, 384
KERNEL_SIZE = 3
DROPOUT_RATE = 0.3
ALPHA = 0.7
LR, LR_FLOOR = 3e-4, 1e-6
TCN_LR_FACTOR, PROJECTOR_LR_FACTOR = 0.5, 1.0
TCN_WEIGHT_DECAY, PROJECTOR_WEIGHT_DECAY = 1e-4, 1e-3
MAX_GRADIENT_NORM = 0.5


class MaskedBatchNorm(nn.BatchNorm1d):
    """Batch normalisation of (batch, dim, time) by the statistics of the valid frames alone."""

    def forward(self, x, mask=None):
        if mask is None or not self.training:
            return super().forward(x)
        valid = x.transpose(1, 2)[mask]
        num_frames = valid.shape[0]
        mean = valid.sum(dim=0) / num_frames
        squares = (valid - mean).square().sum(dim=0)
        variance = squares / num_frames
        with torch.no_grad():
            unbiased = squares / max(num_frames - 1, 1)
            self.running_mean.copy_((1 - self.momentum) * self.running_mean + self.momentum * mean)
            self.running_var.copy_((1 - self.momentum) * self.running_var + self.momentum * unbiased)
            self.num_batches_tracked += 1
        normalised = (x - mean[:, None]) / torch.sqrt(variance[:, None] + self.eps)
        return normalised * self.weight[:, None] + self.bias[:, None]


def zero_padding(x, mask):
    """Padded frames of (batch, dim, time) become zero, as a convolution pads beyond the ends."""
    return x if mask is None else x.masked_fill(~mask.unsqueeze(1), 0)


class TemporalLevel(nn.Module):
    """Two dilated convolutions, each with batch norm, ReLU and dropout; the input is added, then a last ReLU.

    The block of Bai et al. 2018 (arXiv:1803.01271) with batch instead of weight normalisation.
    """

    def __init__(self, in_dim, out_dim, dilation, dropout_rate=DROPOUT_RATE, causal=False):
        super().__init__()
        self.conv1 = nn.Conv1d(in_dim, out_dim, KERNEL_SIZE, dilation=dilation)
        self.norm1 = MaskedBatchNorm(out_dim)
        self.conv2 = nn.Conv1d(out_dim, out_dim, KERNEL_SIZE, dilation=dilation)
        self.norm2 = MaskedBatchNorm(out_dim)
        self.residual = nn.Identity() if in_dim == out_dim else nn.Conv1d(in_dim, out_dim, 1)
        self.dropout = nn.Dropout(dropout_rate)
        reach = (KERNEL_SIZE - 1) * dilation
        self.padding = (reach, 0) if causal else (reach // 2, reach // 2)

    def forward(self, x, mask=None):
        main = x
        for conv, norm in ((self.conv1, self.norm1), (self.conv2, self.norm2)):
            main = conv(F.pad(zero_padding(main, mask), self.padding))
            main = self.dropout(F.relu(norm(main, mask)))
        return F.relu(main + self.residual(zero_padding(x, mask)))


class TemporalConvNet(nn.Module):
    """Levels of dilation 1, 2, 4 and so on; padded frames come out as zero."""

    def __init__(self, in_dim=VISUAL_DIM, dims=HIDDEN_DIMS, dropout_rate=DROPOUT_RATE, causal=False):
        super().__init__()
        in_dims = (in_dim, *dims[:-1])
        self.levels = nn.ModuleList(
            TemporalLevel(in_dims[i], dims[i], 2**i, dropout_rate, causal) for i in range(len(dims))
        )

    def forward(self, x, mask=None):
        x = x.transpose(1, 2)
        for level in self.levels:
            x = level(x, mask)
        return zero_padding(x, mask).transpose(1, 2)


class Projector(nn.Module):
    """From the last level's width to that of the semantic embeddings, each frame for itself."""

    def __init__(
        self, in_dim=HIDDEN_DIMS[-1], hidden_dim=PROJECTOR_DIM, out_dim=SEMANTIC_DIM, dropout_rate=DROPOUT_RATE
    ):
        super().__init__()
        self.linear1 = nn.Linear(in_dim, hidden_dim)
        self.norm1 = nn.LayerNorm(hidden_dim)
        self.linear2 = nn.Linear(hidden_dim, out_dim)
        self.norm2 = nn.LayerNorm(out_dim)
        self.dropout = nn.Dropout(dropout_rate)

    def forward(self, x):
        x = self.dropout(F.relu(self.norm1(self.linear1(x))))
        return self.dropout(self.norm2(self.linear2(x)))


class AlignmentModel(nn.Module):
    """Aligned features (batch, time, out_dim); those of padded frames mean nothing."""

    def __init__(
        self,
        in_dim=VISUAL_DIM,
        dims=HIDDEN_DIMS,
        projector_dim=PROJECTOR_DIM,
        out_dim=SEMANTIC_DIM,
        dropout_rate=DROPOUT_RATE,
        causal=False,
    ):
        super().__init__()
        self.tcn = TemporalConvNet(in_dim, dims, dropout_rate, causal)
        self.projector = Projector(dims[-1], projector_dim, out_dim, dropout_rate)

    def forward(self, features, mask=None):
        return self.projector(self.tcn(features, mask))


def mse_losses(aligned, targets):
    return (aligned - targets).square().mean(dim=-1)


def cosine_losses(aligned, targets):
    return 1 - F.cosine_similarity(aligned, targets, dim=-1)


def smooth_l1_losses(aligned, targets):
    return F.smooth_l1_loss(aligned, targets, reduction="none", beta=1.0).mean(dim=-1)


def adaptive_losses(aligned, targets, alpha=ALPHA):
    return alpha * cosine_losses(aligned, targets) + (1 - alpha) * mse_losses(aligned, targets)


FRAME_LOSSES = {
    "adaptive": adaptive_losses,
    "mse": mse_losses,
    "cosine": cosine_losses,
    "smooth_l1": smooth_l1_losses,
}


def alignment_loss(aligned, targets, mask=None, name="adaptive"):
    """The mean of the frames' losses over the valid frames of the whole batch."""
    losses = FRAME_LOSSES[name](aligned, targets)
    return losses.mean() if mask is None else losses[mask].mean()


def make_optimizer(model, lr=LR):
    """AdamW over two groups; every parameter of a group decays, biases and norms too, as torch has it."""
    return torch.optim.AdamW(
        [
            {"params": model.tcn.parameters(), "lr": TCN_LR_FACTOR * lr, "weight_decay": TCN_WEIGHT_DECAY},
            {
                "params": model.projector.parameters(),
                "lr": PROJECTOR_LR_FACTOR * lr,
                "weight_decay": PROJECTOR_WEIGHT_DECAY,
            },
        ],
        betas=(0.9, 0.999),
        eps=1e-8,
    )


def make_schedule(optimizer):
    """Restarts after 10, 30, 70 and 150 epochs; stepped once after each epoch. Both groups fall to the same floor."""
    return torch.optim.lr_scheduler.CosineAnnealingWarmRestarts(optimizer, T_0=10, T_mult=2, eta_min=LR_FLOOR)


def train_step(model, optimizer, features, targets, mask=None, name="adaptive"):
    """One update; the loss before it and the norm of all gradients together before clipping."""
    optimizer.zero_grad(set_to_none=True)
    loss = alignment_loss(model(features, mask), targets, mask, name)
    loss.backward()
    norm = nn.utils.clip_grad_norm_(model.parameters(), MAX_GRADIENT_NORM)
    optimizer.step()
    return loss.detach(), norm


def train_step_of(batch=8, time=1000, dim=VISUAL_DIM, masked=False):
    """A callable without arguments that runs one update on clips that fill their batch, for timing.

    Not `masked`, batch norm is torch's own, which is faster than what the statistics of valid frames take.
    """
    torch.manual_seed(0)
    model = AlignmentModel(dim).train()
    optimizer = make_optimizer(model)
    features = torch.randn(batch, time, dim)
    targets = F.normalize(torch.randn(batch, time, SEMANTIC_DIM), dim=-1)
    mask = torch.ones(batch, time, dtype=torch.bool) if masked else None
    return lambda: train_step(model, optimizer, features, targets, mask)
