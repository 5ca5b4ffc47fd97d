"""A folder of signing, and data opened over it, that tests of signing and of all captioned data share."""

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


@pytest.fixture
def assets(tmp_path):
    """Where a run keeps what its data bring along."""
    return tmp_path / "assets"
