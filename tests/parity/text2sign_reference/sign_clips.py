"""Clips of unlike lengths, on which the torch reference of seed 004 is tested."""

from .. import torch_text2sign as reference
from ..torch_text2sign import Statistics, torch

LENGTHS = [1, 2, 5, 8]
TIME = 11


def prefix_mask(lengths, size):
    return torch.arange(size) < torch.tensor(lengths)[:, None]


def make_clips():
    """Fake and real poses, where every difference falls on both pieces of smooth L1."""
    return 2 * torch.randn(2, len(LENGTHS), TIME, reference.POSE_DIM, dtype=torch.float64)


def make_statistics():
    return Statistics(torch.randn(reference.POSE_DIM).double(), 0.5 + torch.rand(reference.POSE_DIM).double())


def garbage(tensor, mask):
    """The tensor with other finite numbers where the mask is False."""
    return torch.where(mask[..., None], tensor, 100 * torch.randn_like(tensor))


def assert_close(ours, expected, rtol=1e-10):
    torch.testing.assert_close(torch.as_tensor(ours), torch.as_tensor(expected, dtype=ours.dtype), rtol=rtol, atol=rtol)
