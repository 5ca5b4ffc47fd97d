"""The networks of seed 003 in torch, as published, on features of frames; only dropout and widths are arguments."""

import pytest

torch = pytest.importorskip("torch")
nn, F = torch.nn, torch.nn.functional


class VideoSiameseNetwork(nn.Module):
    """Embeds the mean of the frames; both embeddings, one after another, give the logit."""

    def __init__(self, feature_dim=2048, embedding_dim=128, dropout=0.3):
        super().__init__()
        self.embedding = nn.Sequential(
            nn.Linear(feature_dim, 512),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(512, 256),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(256, embedding_dim),
        )
        self.similarity_layer = nn.Sequential(
            nn.Linear(embedding_dim * 2, 128),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(128, 64),
            nn.ReLU(),
            nn.Linear(64, 1),
            nn.Sigmoid(),
        )

    def embed(self, frames):
        return self.embedding(frames.mean(dim=1))

    def forward(self, video1, video2):
        return compare(self, self.embed(video1), self.embed(video2))


class VideoTripletNetwork(nn.Module):
    """The same trunk with batch normalisation, to unit length."""

    def __init__(self, feature_dim=2048, embedding_dim=128, dropout=0.3):
        super().__init__()
        self.embedding = nn.Sequential(
            nn.Linear(feature_dim, 512),
            nn.BatchNorm1d(512),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(512, 256),
            nn.BatchNorm1d(256),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(256, embedding_dim),
        )

    def embed(self, frames):
        return F.normalize(self.embedding(frames.mean(dim=1)), p=2, dim=1)

    def forward(self, anchor, positive, negative):
        return self.embed(anchor), self.embed(positive), self.embed(negative)


class AttentionBasedSiamese(nn.Module):
    """Self-attention over the frames, their mean, and a shorter trunk and head."""

    def __init__(self, feature_dim=2048, embedding_dim=128, num_heads=8, dropout=0.3):
        super().__init__()
        self.attention = nn.MultiheadAttention(embed_dim=feature_dim, num_heads=num_heads, batch_first=True)
        self.embedding = nn.Sequential(
            nn.Linear(feature_dim, 512),
            nn.BatchNorm1d(512),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(512, embedding_dim),
        )
        self.similarity_layer = nn.Sequential(
            nn.Linear(embedding_dim * 2, 128), nn.ReLU(), nn.Linear(128, 1), nn.Sigmoid()
        )

    def embed(self, frames):
        attended, _ = self.attention(frames, frames, frames)
        return self.embedding(attended.mean(dim=1))

    def forward(self, video1, video2):
        return compare(self, self.embed(video1), self.embed(video2))


class MultiScaleProcessor(nn.Module):
    """Strided convolutions, pooled and fused, all linear; of videos whose length every scale divides."""

    def __init__(self, base_dim, scales=(1, 2, 4)):
        super().__init__()
        self.processors = nn.ModuleList(
            nn.Conv1d(base_dim, base_dim, kernel_size=scale, stride=scale) for scale in scales
        )
        self.fusion = nn.Linear(base_dim * len(scales), base_dim)

    def forward(self, features):
        features = features.transpose(1, 2)
        return self.fusion(torch.cat([processor(features).mean(dim=2) for processor in self.processors], dim=1))


class FeatureFusionModule(nn.Module):
    def __init__(self, feature_dims, fusion_dim=256, dropout=0.3):
        super().__init__()
        self.projections = nn.ModuleList(nn.Linear(dim, fusion_dim) for dim in feature_dims)
        self.fusion = nn.Sequential(
            nn.Linear(fusion_dim * len(feature_dims), fusion_dim), nn.ReLU(), nn.Dropout(dropout)
        )

    def forward(self, features):
        projected = [own(feature) for own, feature in zip(self.projections, features, strict=True)]
        return self.fusion(torch.cat(projected, dim=1))


def compare(model, a, b):
    """Returns logits, without the published sigmoid at the end and without its squeeze of a batch of one (D2)."""
    return model.similarity_layer[:-1](torch.cat([a, b], dim=1))[:, 0]


def train_step_of(name, *, batch, time, dim):
    """Returns a function that trains a step: of the Siamese networks by the binary cross-entropy of pairs, half of
    which are alike, of the triplet network by its margin of 0.3; every role in a pass of its own, as published."""
    kinds = {"siamese": VideoSiameseNetwork, "triplet": VideoTripletNetwork, "attention": AttentionBasedSiamese}
    model = kinds[name](dim).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-4, weight_decay=1e-5)
    roles = torch.randn(3 if name == "triplet" else 2, batch, time, dim)
    labels = (torch.arange(batch) % 2).float()

    def loss():
        if name != "triplet":
            return F.binary_cross_entropy_with_logits(model(*roles), labels)
        anchor, positive, negative = model(*roles)
        closer = F.pairwise_distance(anchor, positive) - F.pairwise_distance(anchor, negative)
        return torch.clamp(closer + 0.3, min=0).mean()

    def step():
        optimizer.zero_grad()
        loss().backward()
        optimizer.step()

    return step
