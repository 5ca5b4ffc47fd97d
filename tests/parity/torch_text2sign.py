"""Seed 004, Text2Sign GAN-NAT, in torch: the notebook's models, losses and update with its mistakes corrected.

Shapes: poses (batch, time, 540), masks boolean with True where valid, and True only before False along time.
Nothing here draws a random number except the initialisation of the modules: noise is an argument.
"""

from typing import NamedTuple

import pytest

torch = pytest.importorskip("torch")
nn, F = torch.nn, torch.nn.functional

NUM_LANDMARKS = 33
POSE_DIM = NUM_LANDMARKS * 4 + 2 * 21 * 3 + 94 * 3  # body with visibility, both hands, face
TEXT_DIM, HIDDEN_DIM, LATENT_DIM = 768, 256, 64
MAX_FRAMES = 128
LENGTH_BINS = torch.arange(10, 201, 2)
LEFT_SHOULDER, RIGHT_SHOULDER, LEFT_HIP, RIGHT_HIP = 11, 12, 23, 24
RECONSTRUCTION_WEIGHT, ADVERSARIAL_WEIGHT, GEOMETRY_WEIGHT, LENGTH_WEIGHT = 1.0, 1.0, 0.2, 1.0
MAX_GRADIENT_NORM = 1.0


class Statistics(NamedTuple):
    """Mean and standard deviation of each of the 540 features, over the frames of the training clips."""

    mean: torch.Tensor
    std: torch.Tensor

    def normalize(self, poses):
        return (poses - self.mean) / (self.std + 1e-6)

    def denormalize(self, poses):
        return poses * (self.std + 1e-6) + self.mean


class LengthPredictor(nn.Module):
    """Logits over the bins of lengths, from one vector per text."""

    def __init__(self, dim=HIDDEN_DIM):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(dim, dim), nn.ReLU(), nn.Linear(dim, len(LENGTH_BINS)))

    def forward(self, pooled):
        return self.net(pooled)


class NatBlock(nn.Module):
    """Frames attend to the valid tokens of their text, then pass a feed-forward network each for itself."""

    def __init__(self, dim=HIDDEN_DIM, num_heads=4):
        super().__init__()
        self.attn = nn.MultiheadAttention(dim, num_heads, batch_first=True)
        self.ff = nn.Sequential(nn.LayerNorm(dim), nn.Linear(dim, 4 * dim), nn.GELU(), nn.Linear(4 * dim, dim))
        self.norm = nn.LayerNorm(dim)

    def forward(self, x, text, text_mask):
        attn, _ = self.attn(x, text, text, key_padding_mask=~text_mask, need_weights=False)
        x = self.norm(x + attn)
        return x + self.ff(x)


class Generator(nn.Module):
    """The seed's generator: noise of each frame, its time and the text's first token in, poses and length logits out.

    `text` (batch, tokens, 256) is projected already; `z` (batch, time, 64) says how many frames there are.
    """

    def __init__(self, num_layers=4):
        super().__init__()
        self.length_head = LengthPredictor()
        self.style_proj = nn.Linear(LATENT_DIM, HIDDEN_DIM)
        self.time_embed = nn.Embedding(MAX_FRAMES, HIDDEN_DIM)
        self.input_proj = nn.Linear(3 * HIDDEN_DIM, HIDDEN_DIM)  # the seed has 2 * HIDDEN_DIM and fails
        self.blocks = nn.ModuleList([NatBlock() for _ in range(num_layers)])
        self.output = nn.Sequential(nn.LayerNorm(HIDDEN_DIM), nn.Linear(HIDDEN_DIM, POSE_DIM))

    def forward(self, text, text_mask, z):
        batch, time, _ = z.shape
        pooled = text[:, 0]
        times = self.time_embed(torch.arange(time, device=z.device)).expand(batch, -1, -1)
        x = torch.cat([self.style_proj(z), times, pooled.unsqueeze(1).expand(-1, time, -1)], dim=-1)
        x = self.input_proj(x)
        for block in self.blocks:
            x = block(x, text, text_mask)
        return self.output(x), self.length_head(pooled)


class Critic(nn.Module):
    """The seed's critic on padded clips: each scores as it would alone.

    Padded frames are zeroed before every convolution, as a convolution pads at the end of a clip. Position i of a
    layer of stride s is valid if and only if its input frame s * i is: ceil(length / s) positions, as many as a clip
    without padding gives. The average is over the valid positions of the last layer.
    """

    def __init__(self, base=128):
        super().__init__()
        dims, strides = [POSE_DIM, base, base, 2 * base, 4 * base], [1, 2, 2, 2]
        self.convs = nn.ModuleList(
            nn.Conv1d(dims[i], dims[i + 1], kernel_size=3, stride=strides[i], padding=1) for i in range(4)
        )
        self.head = nn.Linear(4 * base, 1)

    def forward(self, poses, frame_mask):
        x, mask = poses.transpose(1, 2), frame_mask.unsqueeze(1)
        for conv in self.convs:
            x = F.leaky_relu(conv(x.masked_fill(~mask, 0)), 0.2)
            mask = mask[:, :, :: conv.stride[0]]
        pooled = x.masked_fill(~mask, 0).sum(dim=-1) / mask.sum(dim=-1).clamp(min=1)
        return self.head(pooled).squeeze(-1)


class Text2Sign(nn.Module):
    """All that is trained: the projection of the frozen text states, the generator and the critic."""

    def __init__(self, critic_base=128):
        super().__init__()
        self.projection = nn.Linear(TEXT_DIM, HIDDEN_DIM)
        self.generator = Generator()
        self.critic = Critic(critic_base)

    def generate(self, text_ctx, text_mask, z):
        """Poses and length logits from frozen token states (batch, tokens, 768)."""
        return self.generator(self.projection(text_ctx), text_mask, z)

    def generator_parameters(self):
        return [*self.projection.parameters(), *self.generator.parameters()]


def masked_mean(values, mask):
    """The mean over the valid frames of the whole batch and over features; 0 where there are none."""
    total = values.masked_fill(~mask.unsqueeze(-1), 0).sum()
    return total / (mask.sum() * values.shape[-1]).clamp(min=1)


def masked_smooth_l1(fake, real, mask):
    return masked_mean(F.smooth_l1_loss(fake, real, reduction="none", beta=1.0), mask)


def difference(poses):
    return poses[:, 1:] - poses[:, :-1]


def both_valid(mask):
    return mask[:, 1:] & mask[:, :-1]


def reconstruction_loss(fake, real, frame_mask):
    """Smooth L1 of positions, velocities and accelerations, in normalised units; none crosses the end of a clip."""
    fake_velocity, real_velocity, velocity_mask = difference(fake), difference(real), both_valid(frame_mask)
    position = masked_smooth_l1(fake, real, frame_mask)
    velocity = masked_smooth_l1(fake_velocity, real_velocity, velocity_mask)
    acceleration = masked_smooth_l1(difference(fake_velocity), difference(real_velocity), both_valid(velocity_mask))
    return position + velocity + acceleration


def critic_hinge_loss(real_logits, fake_logits):
    return F.relu(1 - real_logits).mean() + F.relu(1 + fake_logits).mean()


def generator_hinge_loss(fake_logits):
    return -fake_logits.mean()


def bone_lengths(poses, statistics):
    """Lengths (batch, time, 3) of shoulders, hips and spine in the original units."""
    poses = statistics.denormalize(poses)
    body = poses[..., : NUM_LANDMARKS * 4].unflatten(-1, (NUM_LANDMARKS, 4))[..., :3]
    left_shoulder, right_shoulder = body[..., LEFT_SHOULDER, :], body[..., RIGHT_SHOULDER, :]
    left_hip, right_hip = body[..., LEFT_HIP, :], body[..., RIGHT_HIP, :]
    spine = (left_shoulder + right_shoulder) / 2 - (left_hip + right_hip) / 2
    return torch.stack([left_shoulder - right_shoulder, left_hip - right_hip, spine], dim=-2).norm(dim=-1)


def bone_consistency_loss(poses, frame_mask, statistics, seed_compatible=False):
    """The population variance of each bone over the valid frames of its clip, averaged over bones and clips.

    The seed takes the variance over the bones of a frame, with n - 1, averaged here over the valid frames.
    """
    lengths = bone_lengths(poses, statistics)
    if seed_compatible:
        return masked_mean(lengths.var(dim=-1, keepdim=True, unbiased=True), frame_mask)
    mask = frame_mask.unsqueeze(-1)
    num_frames = mask.sum(dim=1, keepdim=True).clamp(min=1)
    mean = lengths.masked_fill(~mask, 0).sum(dim=1, keepdim=True) / num_frames
    deviations = (lengths - mean).masked_fill(~mask, 0)
    variance = deviations.square().sum(dim=1, keepdim=True) / num_frames  # torch.var with unbiased=False, masked
    return variance.mean()


def nearest_bin(num_frames):
    """The index of the bin nearest to each length in frames; the shorter of two, the outermost beyond the range."""
    return (num_frames.unsqueeze(-1) - LENGTH_BINS.to(num_frames.device)).abs().argmin(dim=-1)


def length_loss(length_logits, num_frames):
    return F.cross_entropy(length_logits, nearest_bin(num_frames))


class Optimizers(NamedTuple):
    """One Adam for the projection, the generator and its length head; one for the critic."""

    generator: torch.optim.Adam
    critic: torch.optim.Adam


def make_optimizers(model):
    return Optimizers(
        torch.optim.Adam(model.generator_parameters(), lr=1e-4, betas=(0.5, 0.9), eps=1e-8),
        torch.optim.Adam(model.critic.parameters(), lr=5e-5, betas=(0.5, 0.9), eps=1e-8),
    )


def set_gradients(loss, parameters):
    """Sets the gradients of these parameters alone, clipped together to the global norm; the norm before clipping."""
    parameters = list(parameters)
    for parameter, gradient in zip(parameters, torch.autograd.grad(loss, parameters), strict=True):
        parameter.grad = gradient
    return nn.utils.clip_grad_norm_(parameters, MAX_GRADIENT_NORM)


def alternating_step(
    model,
    optimizers,
    text_ctx,
    text_mask,
    real,
    frame_mask,
    statistics,
    z,
    one_draw=True,
    critic_before_update=False,
    seed_compatible=False,
):
    """One update of the critic, then one of the generator; returns every loss and both gradient norms.

    With `one_draw` both see the same fake, from `z` (batch, time, 64). Otherwise `z` is (2, batch, time, 64), the
    critic's noise and the generator's, as in the seed. As in the seed the critic that scores the generator is the
    updated one, with `critic_before_update` the one before. `seed_compatible` is that of the bone lengths alone.
    """
    critic = model.critic
    z_critic, z_generator = (z, z) if one_draw else z
    fake, length_logits = model.generate(text_ctx, text_mask, z_generator)
    if one_draw:
        critic_fake = fake.detach()
    else:
        with torch.no_grad():
            critic_fake, _ = model.generate(text_ctx, text_mask, z_critic)

    critic_loss = critic_hinge_loss(critic(real, frame_mask), critic(critic_fake, frame_mask))
    critic_norm = set_gradients(critic_loss, critic.parameters())
    if not critic_before_update:
        optimizers.critic.step()

    reconstruction = reconstruction_loss(fake, real, frame_mask)
    adversarial = generator_hinge_loss(critic(fake, frame_mask))
    geometry = bone_consistency_loss(fake, frame_mask, statistics, seed_compatible)
    length = length_loss(length_logits, frame_mask.sum(dim=1))
    generator_loss = (
        RECONSTRUCTION_WEIGHT * reconstruction
        + ADVERSARIAL_WEIGHT * adversarial
        + GEOMETRY_WEIGHT * geometry
        + LENGTH_WEIGHT * length
    )
    generator_norm = set_gradients(generator_loss, model.generator_parameters())
    if critic_before_update:
        optimizers.critic.step()
    optimizers.generator.step()
    values = {
        "critic": critic_loss,
        "generator": generator_loss,
        "reconstruction": reconstruction,
        "adversarial": adversarial,
        "geometry": geometry,
        "length": length,
        "critic_gradient_norm": critic_norm,
        "generator_gradient_norm": generator_norm,
    }
    return {name: value.detach() for name, value in values.items()}
