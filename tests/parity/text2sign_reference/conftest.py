"""What every test of the torch reference of seed 004 begins with.

A conftest is read even where nothing of its folder can run, so torch, which may be absent, is imported inside.
"""

import pytest


@pytest.fixture(autouse=True)
def seeded():
    from ..torch_text2sign import torch

    torch.manual_seed(0)


@pytest.fixture
def frame_mask():
    from .sign_clips import LENGTHS, TIME, prefix_mask

    return prefix_mask(LENGTHS, TIME)


@pytest.fixture
def clips():
    """Fake and real poses."""
    from .sign_clips import make_clips

    return make_clips()


@pytest.fixture
def statistics():
    from .sign_clips import make_statistics

    return make_statistics()
