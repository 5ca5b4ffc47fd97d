"""The classifiers of CLIP-HAR over features of frames, in torch: temporal fusion, head, and one update of both.

Shapes: features (batch, time, dim), masks (batch, time) boolean with True where valid.
"""

import math

import pytest

torch = pytest.importorskip("torch")
nn, F = torch.nn, torch.nn.functional

DIM, HIDDEN_DIM, NUM_HEADS, NUM_CLASSES = 512, 256, 4, 15
STRIDES = (1, 2, 4)
NUM_WAVES = 4
DROPOUT_RATE = 0.5
LR, WEIGHT_DECAY = 3e-4, 1e-5


def masked_mean(x, mask):
    count = mask.sum(dim=1, keepdim=True).clamp(min=1)
    return (x * mask[..., None]).sum(dim=1) / count


def waves(mask):
    """Where in its video each frame is, as sines and cosines of quarter, half, one and two turns."""
    last = (mask.sum(dim=1, keepdim=True) - 1).clamp(min=1)
    share = torch.arange(mask.shape[1])[None] / last
    angles = 2 * math.pi * share[..., None] * 2.0 ** (torch.arange(NUM_WAVES) - 2)
    return torch.cat([angles.sin(), angles.cos()], dim=-1)


class TemporalFusion(nn.Module):
    """Attention pooling and frame differences in parallel, fused into what is added to the mean of the frames."""

    def __init__(self, dim=DIM, hidden_dim=HIDDEN_DIM, num_heads=NUM_HEADS, strides=STRIDES):
        super().__init__()
        self.num_heads, self.strides = num_heads, strides
        self.moment = nn.Linear(2 * NUM_WAVES, hidden_dim, bias=False)
        self.key = nn.Linear(dim, hidden_dim)
        self.value = nn.Linear(dim, hidden_dim, bias=False)
        self.query = nn.Parameter(torch.randn(num_heads, hidden_dim // num_heads))
        self.motion = nn.ModuleList(nn.Linear(dim, hidden_dim, bias=False) for _ in strides)
        self.fusion = nn.Linear(hidden_dim * (1 + len(strides)), hidden_dim, bias=False)
        self.out = nn.Linear(hidden_dim, dim, bias=False)

    def forward(self, x, mask):
        x = x.masked_fill(~mask[..., None], 0)
        parts = [self.attended(x, mask)]
        for stride, excite in zip(self.strides, self.motion, strict=True):
            change = F.gelu(excite(x[:, stride:] - x[:, :-stride]), approximate="tanh")
            parts.append(masked_mean(change, mask[:, stride:] & mask[:, :-stride]))
        fused = F.gelu(self.fusion(torch.cat(parts, dim=-1)), approximate="tanh")
        return masked_mean(x, mask) + self.out(fused)

    def attended(self, x, mask):
        heads = (*x.shape[:2], self.num_heads, -1)
        keys = (self.key(x) + self.moment(waves(mask))).view(heads)
        scores = torch.einsum("bthd,hd->bth", keys, self.query) * keys.shape[-1] ** -0.5
        weights = scores.masked_fill(~mask[..., None], -torch.inf).softmax(dim=1)
        excess = weights - (mask / mask.sum(dim=1, keepdim=True))[..., None]
        return torch.einsum("bth,bthd->bhd", excess, self.value(x).view(heads)).flatten(1)


class Classifier(nn.Module):
    """Features of frames to logits: by their temporal fusion or by their mean, and a head."""

    def __init__(self, dim=DIM, num_classes=NUM_CLASSES, *, temporal=True, dropout_rate=DROPOUT_RATE, **sizes):
        super().__init__()
        self.temporal = TemporalFusion(dim, **sizes) if temporal else None
        self.head = nn.Sequential(
            nn.Dropout(dropout_rate), nn.Linear(dim, dim // 2), nn.ReLU(), nn.Linear(dim // 2, num_classes)
        )

    def forward(self, x, mask):
        return self.head(masked_mean(x, mask) if self.temporal is None else self.temporal(x, mask))


def train_step_of(model, features, labels):
    """Returns a function that updates a classifier once by whole videos, and returns its loss before that."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=LR, weight_decay=WEIGHT_DECAY)
    mask = torch.ones(features.shape[:2], dtype=torch.bool)

    def step():
        optimizer.zero_grad()
        loss = F.cross_entropy(model(features, mask), labels)
        loss.backward()
        optimizer.step()
        return loss.item()

    return step
