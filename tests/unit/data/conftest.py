"""A folder of signing, data opened over it, and real videos, which tests of several kinds of data share."""

import pytest

from jaxmm.data.sign.sources import SignFolder
from jaxmm.data.sign_text import SignText

from .kinds import BATCH_SIZE, SIGN_MAX_FRAMES, make_clips, write_signs


@pytest.fixture(scope="session")
def clips():
    """Sixteen clips of signing, named by split and number."""
    return make_clips()


@pytest.fixture(scope="session")
def sign_folder(clips, tmp_path_factory):
    """The clips as a folder on disk."""
    return write_signs(clips, tmp_path_factory.mktemp("signs") / "folder")


@pytest.fixture(scope="session")
def signs(sign_folder, cache):
    """Data settings over `sign_folder`."""
    del cache
    return SignText(
        source=SignFolder(),
        root=str(sign_folder),
        max_frames=SIGN_MAX_FRAMES,
        max_tokens=12,
        batch_size=BATCH_SIZE,
        num_threads=1,
    )


@pytest.fixture(scope="session")
def opened(signs, tmp_path_factory):
    """The opened signing."""
    return signs.open(tmp_path_factory.mktemp("assets"))


@pytest.fixture(scope="session")
def salads(shared_data):
    """The 50 real videos of making salads."""
    found = shared_data / "segmentation" / "50salads"
    if not found.is_dir():
        pytest.skip("needs real videos in ../shared/data/segmentation/50salads, which are not part of the repository")
    return found


@pytest.fixture
def assets(tmp_path):
    """Where a run keeps what its data bring along."""
    return tmp_path / "assets"
