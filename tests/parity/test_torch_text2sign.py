"""The torch reference of seed 004 against plain loops over single clips without padding."""

import copy
import math

import pytest

from . import torch_text2sign as reference
from .torch_text2sign import F, Statistics, torch

LENGTHS = [1, 2, 5, 8]
TIME = 11
NUM_TOKENS = 6
NUM_TEXT_TOKENS = [3, 6, 1, 4]
BODY = {"left_shoulder": 11, "right_shoulder": 12, "left_hip": 23, "right_hip": 24}


def prefix_mask(lengths, size):
    return torch.arange(size) < torch.tensor(lengths)[:, None]


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


@pytest.fixture
def frame_mask():
    return prefix_mask(LENGTHS, TIME)


@pytest.fixture
def clips():
    """Fake and real poses, where every difference falls on both pieces of smooth L1."""
    return 2 * torch.randn(2, len(LENGTHS), TIME, reference.POSE_DIM, dtype=torch.float64)


@pytest.fixture
def statistics():
    return Statistics(torch.randn(reference.POSE_DIM).double(), 0.5 + torch.rand(reference.POSE_DIM).double())


@pytest.fixture
def model():
    return reference.Text2Sign().double()


@pytest.fixture
def batch(clips, frame_mask, statistics):
    """The arguments of a step between its optimizers and its noise; padded frames are zero."""
    text_ctx = torch.randn(len(LENGTHS), NUM_TOKENS, reference.TEXT_DIM).double()
    real = clips[1].masked_fill(~frame_mask[..., None], 0)
    return text_ctx, prefix_mask(NUM_TEXT_TOKENS, NUM_TOKENS), real, frame_mask, statistics


def noise(*leading):
    return torch.randn(*leading, len(LENGTHS), TIME, reference.LATENT_DIM).double()


def garbage(tensor, mask):
    """The tensor with other finite numbers where the mask is False."""
    return torch.where(mask[..., None], tensor, 100 * torch.randn_like(tensor))


def count(module):
    return sum(parameter.numel() for parameter in module.parameters())


def close(ours, expected, rtol=1e-10):
    torch.testing.assert_close(torch.as_tensor(ours), torch.as_tensor(expected, dtype=ours.dtype), rtol=rtol, atol=rtol)


def test_generator_has_the_published_number_of_parameters():
    generator = reference.Generator()
    assert {name: count(child) for name, child in generator.named_children()} == {
        "length_head": 90_464,
        "style_proj": 16_640,
        "time_embed": 32_768,
        "input_proj": 196_864,
        "blocks": 4 * 789_760,
        "output": 139_292,
    }
    assert count(generator) == 3_635_068


def test_critic_has_the_published_number_of_parameters():
    assert count(reference.Critic()) == 749_569


def test_projection_is_trained_beside_the_generator(model):
    assert count(model.projection) == 768 * 256 + 256
    assert sum(parameter.numel() for parameter in model.generator_parameters()) == 3_635_068 + 196_864


def test_poses_and_length_logits_do_not_depend_on_text_padding(model, batch):
    text_ctx, text_mask, *_ = batch
    z = noise()
    poses, logits = model.generate(text_ctx, text_mask, z)
    assert poses.shape == (len(LENGTHS), TIME, 540)
    assert logits.shape == (len(LENGTHS), 96)
    for i, num_tokens in enumerate(NUM_TEXT_TOKENS):
        alone = model.generate(text_ctx[i : i + 1, :num_tokens], text_mask[i : i + 1, :num_tokens], z[i : i + 1])
        close(poses[i], alone[0][0])
        close(logits[i], alone[1][0])
    other = model.generate(garbage(text_ctx, text_mask), text_mask, z)
    close(other[0], poses)
    close(other[1], logits)


def test_seed_compatible_frames_do_not_communicate(model, batch):
    text_ctx, text_mask, *_ = batch
    z = noise()
    poses, _ = model.generate(text_ctx, text_mask, z)
    close(model.generate(text_ctx, text_mask, z[:, :4])[0], poses[:, :4])
    z[:, 4] += 1
    moved = (model.generate(text_ctx, text_mask, z)[0] - poses).abs().amax(dim=(0, 2)) > 1e-6
    assert moved.tolist() == [frame == 4 for frame in range(TIME)]


def test_block_is_attention_norm_and_feed_forward_written_out(model):
    block = model.generator.blocks[0]
    frames, text = torch.randn(1, TIME, 256).double(), torch.randn(1, NUM_TOKENS, 256).double()
    weights, biases = block.attn.in_proj_weight.chunk(3), block.attn.in_proj_bias.chunk(3)
    query, key, value = (
        F.linear(source, weight, bias).unflatten(-1, (4, 64)).transpose(1, 2)
        for source, weight, bias in zip((frames, text, text), weights, biases, strict=True)
    )
    attended = (query @ key.transpose(-1, -2) / math.sqrt(64)).softmax(dim=-1) @ value
    x = block.norm(frames + block.attn.out_proj(attended.transpose(1, 2).flatten(2)))
    norm, widen, _, narrow = block.ff
    hidden = widen(norm(x))
    expected = x + narrow(hidden * (1 + torch.erf(hidden / math.sqrt(2))) / 2)
    close(block(frames, text, torch.ones(1, NUM_TOKENS, dtype=torch.bool)), expected)


@pytest.mark.parametrize("length", range(1, TIME + 1))
def test_critic_scores_a_padded_clip_as_the_clip_alone(model, length):
    poses = torch.randn(1, TIME, 540).double()
    x = poses[:, :length].transpose(1, 2)
    for conv in model.critic.convs:
        x = F.leaky_relu(conv(x), 0.2)
    expected = model.critic.head(x.mean(dim=-1)).squeeze(-1)
    mask = prefix_mask([length], TIME)
    close(model.critic(garbage(poses, mask), mask), expected)


def test_critic_is_the_seeds_where_nothing_is_padded(model):
    seed = torch.nn.Sequential()
    for conv in model.critic.convs:
        seed.extend([conv, torch.nn.LeakyReLU(0.2)])
    seed.append(torch.nn.AdaptiveAvgPool1d(1))
    poses = torch.randn(2, 128, 540).double()
    expected = model.critic.head(seed(poses.transpose(1, 2)).squeeze(-1)).squeeze(-1)
    close(model.critic(poses, torch.ones(2, 128, dtype=torch.bool)), expected)


def smooth_l1(difference):
    return difference**2 / 2 if abs(difference) < 1 else abs(difference) - 0.5


def test_reconstruction_is_the_mean_over_all_frames_of_unpadded_clips(clips, frame_mask):
    clips = clips[..., :3]
    expected = 0
    for order in range(3):
        terms = []
        for fake, real, length in zip(*clips, LENGTHS, strict=True):
            error = (fake - real)[:length]
            for _ in range(order):
                error = error[1:] - error[:-1]
            terms += [smooth_l1(value) for value in error.flatten().tolist()]
        expected += sum(terms) / len(terms)
    close(reference.reconstruction_loss(*clips, frame_mask), expected)


def test_reconstruction_is_the_seeds_where_nothing_is_padded(clips):
    pred, target = clips
    expected = F.smooth_l1_loss(pred, target)
    expected += F.smooth_l1_loss(pred.diff(dim=1), target.diff(dim=1))
    expected += F.smooth_l1_loss(pred.diff(n=2, dim=1), target.diff(n=2, dim=1))
    close(reference.reconstruction_loss(pred, target, torch.ones(pred.shape[:2]).bool()), expected)


def test_clips_too_short_for_an_acceleration_have_none(clips):
    fake, real = clips
    expected = F.smooth_l1_loss(fake[:, 0], real[:, 0])
    close(reference.reconstruction_loss(fake, real, prefix_mask([1] * len(LENGTHS), TIME)), expected)
    close(reference.reconstruction_loss(fake[:, :1], real[:, :1], prefix_mask([1] * len(LENGTHS), 1)), expected)


def bone(pose, name):
    """The length of one bone of one de-normalised frame."""
    xyz = {joint: pose[4 * index : 4 * index + 3] for joint, index in BODY.items()}
    if name == "spine":
        ends = [
            [(a + b) / 2 for a, b in zip(xyz[f"left_{p}"], xyz[f"right_{p}"], strict=True)] for p in ("shoulder", "hip")
        ]
    else:
        ends = [xyz[f"left_{name}"], xyz[f"right_{name}"]]
    return math.dist(*ends)


def variance(values, correction):
    mean = sum(values) / len(values)
    return sum((value - mean) ** 2 for value in values) / (len(values) - correction)


def naive_bones(poses, statistics):
    """For each clip without padding, for each frame, the lengths of the three bones."""
    poses = poses * (statistics.std + 1e-6) + statistics.mean
    return [
        [[bone(frame, name) for name in ("shoulder", "hip", "spine")] for frame in clip[:length].tolist()]
        for clip, length in zip(poses, LENGTHS, strict=True)
    ]


def test_consistency_is_the_variance_of_each_bone_over_its_clip(clips, frame_mask, statistics):
    per_bone = [
        variance(lengths, correction=0)
        for clip in naive_bones(clips[0], statistics)
        for lengths in zip(*clip, strict=True)
    ]
    expected = sum(per_bone) / len(per_bone)
    close(reference.bone_consistency_loss(clips[0], frame_mask, statistics), expected)


def test_seed_compatible_consistency_is_the_variance_over_the_bones_of_a_frame(clips, frame_mask, statistics):
    per_frame = [variance(bones, correction=1) for clip in naive_bones(clips[0], statistics) for bones in clip]
    expected = sum(per_frame) / len(per_frame)
    close(reference.bone_consistency_loss(clips[0], frame_mask, statistics, seed_compatible=True), expected)


def test_a_rigid_moving_body_is_consistent_and_a_growing_one_is_not(frame_mask, statistics):
    body = torch.randn(33, 3).double()
    angles = torch.linspace(0, 2, TIME).double()
    axis = torch.tensor([[0, -1, 1], [1, 0, 2], [-1, -2, 0]]).double()
    turns = torch.linalg.matrix_exp(angles[:, None, None] * axis)
    moving = (body @ turns.transpose(1, 2) + torch.randn(TIME, 1, 3)).expand(len(LENGTHS), -1, -1, -1)

    def consistency(coords, **options):
        poses = torch.randn(len(LENGTHS), TIME, 540).double()
        poses[..., :132] = torch.cat([coords, torch.rand_like(coords[..., :1])], dim=-1).flatten(-2)
        return reference.bone_consistency_loss(statistics.normalize(poses), frame_mask, statistics, **options)

    assert consistency(moving) < 1e-10
    assert consistency(moving, seed_compatible=True) > 1e-3
    assert consistency(moving * (1 + angles)[:, None, None]) > 1e-3


def test_padding_changes_no_loss_and_gets_no_gradient(model, clips, frame_mask, statistics):
    fake, real = clips

    def losses(fake, real, mask):
        return torch.stack(
            [
                reference.reconstruction_loss(fake, real, mask),
                reference.bone_consistency_loss(fake, mask, statistics),
                reference.bone_consistency_loss(fake, mask, statistics, seed_compatible=True),
                reference.critic_hinge_loss(model.critic(real, mask), model.critic(fake, mask)),
                reference.generator_hinge_loss(model.critic(fake, mask)),
            ]
        )

    expected = losses(fake, real, frame_mask)
    padded = garbage(fake, frame_mask).requires_grad_()
    close(losses(padded, garbage(real, frame_mask), frame_mask), expected)
    (gradient,) = torch.autograd.grad(losses(padded, real, frame_mask).sum(), padded)
    assert gradient[~frame_mask].abs().max() == 0
    assert gradient[frame_mask].abs().max() > 0
    longer = [F.pad(poses, (0, 0, 0, 5), value=7.0) for poses in clips]
    close(losses(*longer, F.pad(frame_mask, (0, 5))), expected)
    longest = max(LENGTHS)
    close(losses(fake[:, :longest], real[:, :longest], frame_mask[:, :longest]), expected)


def test_hinge_losses_written_out():
    real, fake = [2.0, 0.5, -1.0], [-3.0, 0.25, -0.5]
    expected = sum(max(0, 1 - score) for score in real) / 3 + sum(max(0, 1 + score) for score in fake) / 3
    close(reference.critic_hinge_loss(torch.tensor(real), torch.tensor(fake)), expected, rtol=1e-6)
    close(reference.generator_hinge_loss(torch.tensor(fake)), -sum(fake) / 3, rtol=1e-6)


def test_every_bin_is_the_nearest_to_its_own_length():
    bins = reference.LENGTH_BINS
    assert bins.tolist() == list(range(10, 201, 2))
    assert reference.nearest_bin(bins).tolist() == list(range(96))


def test_lengths_between_and_outside_the_bins():
    lengths = [1, 10, 11, 12, 13, 127, 128, 199, 200, 250]
    assert reference.LENGTH_BINS[reference.nearest_bin(torch.tensor(lengths))].tolist() == [
        10, 10, 10, 12, 12, 126, 128, 198, 200, 200,
    ]  # fmt: skip


def test_length_loss_is_the_mean_surprise_of_the_right_bins():
    logits, bins = torch.randn(3, 96).double(), [0, 59, 95]
    expected = -sum(math.log(row.exp()[i] / row.exp().sum()) for row, i in zip(logits, bins, strict=True)) / 3
    close(reference.length_loss(logits, torch.tensor([10, 128, 200])), expected)


def notebook_step(model, opt_g, opt_d, text_ctx, text_mask, real, frame_mask, statistics, z_critic, z_generator):
    """The loop body of the notebook in its own words: zero_grad, backward, clip, step, for each player in turn."""
    opt_d.zero_grad()
    fake, _ = model.generate(text_ctx, text_mask, z_critic)
    d_loss = F.relu(1 - model.critic(real, frame_mask)).mean()
    d_loss = d_loss + F.relu(1 + model.critic(fake.detach(), frame_mask)).mean()
    d_loss.backward()
    d_norm = torch.nn.utils.clip_grad_norm_(model.critic.parameters(), 1.0)
    opt_d.step()

    opt_g.zero_grad()
    fake, logits = model.generate(text_ctx, text_mask, z_generator)
    g_loss = reference.reconstruction_loss(fake, real, frame_mask) - model.critic(fake, frame_mask).mean()
    g_loss = g_loss + 0.2 * reference.bone_consistency_loss(fake, frame_mask, statistics)
    g_loss = g_loss + F.cross_entropy(logits, reference.nearest_bin(frame_mask.sum(dim=1)))
    g_loss.backward()
    g_norm = torch.nn.utils.clip_grad_norm_(opt_g.param_groups[0]["params"], 1.0)
    opt_g.step()
    return torch.stack([d_loss, d_norm, g_loss, g_norm]).detach()


def assert_same_parameters(model, other):
    for (name, ours), theirs in zip(model.named_parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-12, msg=lambda text, name=name: f"{name}: {text}")


@pytest.mark.parametrize("one_draw", [True, False])
def test_steps_are_the_notebooks_loop_body(model, batch, one_draw):
    theirs = copy.deepcopy(model)
    optimizers = reference.make_optimizers(model)
    opt_g = torch.optim.Adam([*theirs.generator.parameters(), *theirs.projection.parameters()], 1e-4, (0.5, 0.9))
    opt_d = torch.optim.Adam(theirs.critic.parameters(), 5e-5, (0.5, 0.9))
    for _ in range(2):
        draws = noise(2)
        z = draws[0] if one_draw else draws
        values = reference.alternating_step(model, optimizers, *batch, z, one_draw=one_draw)
        expected = notebook_step(theirs, opt_g, opt_d, *batch, draws[0], draws[0] if one_draw else draws[1])
        names = ("critic", "critic_gradient_norm", "generator", "generator_gradient_norm")
        close(torch.stack([values[name] for name in names]), expected)
        assert_same_parameters(model, theirs)


def test_critic_before_its_update_scores_the_generator_on_request(model, batch):
    other = copy.deepcopy(model)
    text_ctx, text_mask, _, frame_mask, _ = batch
    z = noise()
    before = -model.critic(model.generate(text_ctx, text_mask, z)[0], frame_mask).mean().detach()
    after = reference.alternating_step(model, reference.make_optimizers(model), *batch, z)
    values = reference.alternating_step(other, reference.make_optimizers(other), *batch, z, critic_before_update=True)
    close(values["adversarial"], before)
    assert abs(after["adversarial"] - before) > 1e-6
    close(values["critic"], after["critic"])
    assert_same_parameters(model.critic, other.critic)
    assert (model.generator.input_proj.weight - other.generator.input_proj.weight).abs().max() > 1e-9


def test_first_update_is_adam_of_clipped_gradients_written_out(model, batch):
    text_ctx, text_mask, real, frame_mask, _ = batch
    before = copy.deepcopy(model)
    z = noise()
    values = reference.alternating_step(model, reference.make_optimizers(model), *batch, z)
    fake, _ = before.generate(text_ctx, text_mask, z)
    loss = reference.critic_hinge_loss(before.critic(real, frame_mask), before.critic(fake, frame_mask))
    gradients = torch.autograd.grad(loss, list(before.critic.parameters()))
    norm = math.sqrt(sum(gradient.square().sum().item() for gradient in gradients))
    close(values["critic_gradient_norm"], norm)
    for new, old, gradient in zip(model.critic.parameters(), before.critic.parameters(), gradients, strict=True):
        clipped = gradient * min(1, 1 / (norm + 1e-6))
        close(new.detach(), (old - 5e-5 * clipped / (clipped.abs() + 1e-8)).detach())


def test_step_trains_everything(model, batch):
    before = copy.deepcopy(model)
    reference.alternating_step(model, reference.make_optimizers(model), *batch, noise())
    unchanged = [
        name
        for (name, new), old in zip(model.named_parameters(), before.parameters(), strict=True)
        if torch.equal(new, old)
    ]
    # While no score is beyond the hinges, real and fake clips pull this bias equally hard to both sides.
    assert unchanged == ["critic.head.bias"]


def test_padding_changes_no_update(model, batch):
    other = copy.deepcopy(model)
    text_ctx, text_mask, real, frame_mask, statistics = batch
    padded = garbage(text_ctx, text_mask), text_mask, garbage(real, frame_mask), frame_mask, statistics
    z = noise()
    values = reference.alternating_step(model, reference.make_optimizers(model), *batch, z)
    others = reference.alternating_step(
        other, reference.make_optimizers(other), *padded, garbage(z, frame_mask), one_draw=True
    )
    for name, value in values.items():
        close(others[name], value)
    for (name, ours), theirs in zip(model.named_parameters(), other.named_parameters(), strict=True):
        if "in_proj_bias" not in name:  # the gradient of the key bias is zero but for rounding, which Adam magnifies
            torch.testing.assert_close(ours, theirs[1], rtol=1e-7, atol=1e-9)


def test_float32_gives_the_losses_of_float64(model, batch):
    single = copy.deepcopy(model).float()
    z = noise()
    expected = reference.alternating_step(model, reference.make_optimizers(model), *batch, z)
    text_ctx, text_mask, real, frame_mask, statistics = batch
    statistics = Statistics(*(value.float() for value in statistics))
    values = reference.alternating_step(
        single,
        reference.make_optimizers(single),
        text_ctx.float(),
        text_mask,
        real.float(),
        frame_mask,
        statistics,
        z.float(),
    )
    for name, value in values.items():
        assert value.dtype == torch.float32
        torch.testing.assert_close(value.double(), expected[name], rtol=1e-4, atol=1e-5)


def test_steps_repeat_exactly(model, batch):
    other = copy.deepcopy(model)
    z = noise()
    values = [reference.alternating_step(m, reference.make_optimizers(m), *batch, z) for m in (model, other)]
    assert values[0] == values[1]
    assert_same_parameters(model, other)
