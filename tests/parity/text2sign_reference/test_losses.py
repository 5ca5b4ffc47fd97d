"""The losses of the torch reference of seed 004 against plain loops over single clips without padding."""

import math

from .. import torch_text2sign as reference
from ..torch_text2sign import F, torch
from .sign_clips import LENGTHS, TIME, assert_close, garbage, prefix_mask

BODY = {"left_shoulder": 11, "right_shoulder": 12, "left_hip": 23, "right_hip": 24}


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
    assert_close(reference.reconstruction_loss(*clips, frame_mask), expected)


def test_reconstruction_is_the_seeds_where_nothing_is_padded(clips):
    pred, target = clips
    expected = F.smooth_l1_loss(pred, target)
    expected += F.smooth_l1_loss(pred.diff(dim=1), target.diff(dim=1))
    expected += F.smooth_l1_loss(pred.diff(n=2, dim=1), target.diff(n=2, dim=1))
    assert_close(reference.reconstruction_loss(pred, target, torch.ones(pred.shape[:2]).bool()), expected)


def test_clips_too_short_for_an_acceleration_have_none(clips):
    fake, real = clips
    expected = F.smooth_l1_loss(fake[:, 0], real[:, 0])
    assert_close(reference.reconstruction_loss(fake, real, prefix_mask([1] * len(LENGTHS), TIME)), expected)
    assert_close(reference.reconstruction_loss(fake[:, :1], real[:, :1], prefix_mask([1] * len(LENGTHS), 1)), expected)


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
    assert_close(reference.bone_consistency_loss(clips[0], frame_mask, statistics), expected)


def test_seed_compatible_consistency_is_the_variance_over_the_bones_of_a_frame(clips, frame_mask, statistics):
    per_frame = [variance(bones, correction=1) for clip in naive_bones(clips[0], statistics) for bones in clip]
    expected = sum(per_frame) / len(per_frame)
    assert_close(reference.bone_consistency_loss(clips[0], frame_mask, statistics, seed_compatible=True), expected)


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


def test_padding_changes_no_loss_and_gets_no_gradient(clips, frame_mask, statistics):
    (fake, real), critic = clips, reference.Critic().double()

    def losses(fake, real, mask):
        return torch.stack(
            [
                reference.reconstruction_loss(fake, real, mask),
                reference.bone_consistency_loss(fake, mask, statistics),
                reference.bone_consistency_loss(fake, mask, statistics, seed_compatible=True),
                reference.critic_hinge_loss(critic(real, mask), critic(fake, mask)),
                reference.generator_hinge_loss(critic(fake, mask)),
            ]
        )

    expected = losses(fake, real, frame_mask)
    padded = garbage(fake, frame_mask).requires_grad_()
    assert_close(losses(padded, garbage(real, frame_mask), frame_mask), expected)
    (gradient,) = torch.autograd.grad(losses(padded, real, frame_mask).sum(), padded)
    assert gradient[~frame_mask].abs().max() == 0
    assert gradient[frame_mask].abs().max() > 0
    longer = [F.pad(poses, (0, 0, 0, 5), value=7.0) for poses in clips]
    assert_close(losses(*longer, F.pad(frame_mask, (0, 5))), expected)
    longest = max(LENGTHS)
    assert_close(losses(fake[:, :longest], real[:, :longest], frame_mask[:, :longest]), expected)


def test_hinge_losses_written_out():
    real, fake = [2.0, 0.5, -1.0], [-3.0, 0.25, -0.5]
    expected = sum(max(0, 1 - score) for score in real) / 3 + sum(max(0, 1 + score) for score in fake) / 3
    assert_close(reference.critic_hinge_loss(torch.tensor(real), torch.tensor(fake)), expected, rtol=1e-6)
    assert_close(reference.generator_hinge_loss(torch.tensor(fake)), -sum(fake) / 3, rtol=1e-6)


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
    assert_close(reference.length_loss(logits, torch.tensor([10, 128, 200])), expected)
