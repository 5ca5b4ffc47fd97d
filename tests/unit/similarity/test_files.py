"""Files that are compared, indexed and searched."""

import dataclasses

import numpy as np
import pytest

from jaxmm import CopiedVideos
from jaxmm.errors import CheckpointError, ConfigError, DataError
from jaxmm.similarity.files import index_files, search_files, similar_files, usual_seconds

from .conftest import DATA


@pytest.fixture(scope="module")
def index(model, films):
    return index_files(model, films, seconds=1.0, report=lambda error: None)


def test_every_pair_of_files_is_compared_and_runs_are_averaged(model, untrained, films):
    files = [films / "long.mp4", films / "more" / "short.mp4", films / "long.mp4"]
    (found,) = similar_files([model], [*files[:2], films / "more"])
    assert (found.a, found.b) == tuple(files[:2])
    with model.experiment.data.reader(time_limit_s=60) as reader:
        videos = [reader.read_clip(file, fps=8.0).pixels for file in files[:2]]
    assert found.probability == pytest.approx(model.similar(*videos), abs=1e-6)
    other = untrained(1)
    (mean,) = similar_files([model, other], files[:2])
    assert mean.probability == pytest.approx((found.probability + other.similar(*videos)) / 2, abs=1e-6)
    assert abs(mean.probability - found.probability) > 1e-4


def test_a_file_that_cannot_be_compared_is_named(model, films):
    with pytest.raises(DataError, match=r"broken.mp4: is damaged, or no video"):
        similar_files([model], [films])
    with pytest.raises(DataError, match=r"none.mp4: no such file or folder"):
        similar_files([model], [films / "none.mp4", films / "long.mp4"])
    with pytest.raises(ConfigError, match="one video has no other to be compared with"):
        similar_files([model], [films / "long.mp4", films / "long.mp4"])


def test_a_gallery_holds_windows_of_all_that_can_be_read(model, films):
    bad = []
    index = index_files(model, films, seconds=2.0, hop=0.75, report=bad.append)
    assert index.names == ("long.mp4", "more/short.mp4")
    assert index.places.tolist() == [0, 0, 0, 1]
    assert index.spans.tolist() == [[0, 2], [0.75, 2.75], [1, 3], [0, 1.5]]
    (error,) = bad
    assert "broken.mp4: is damaged" in str(error)
    with model.experiment.data.reader(time_limit_s=60) as reader:
        window = reader.read_clip(films / "long.mp4", fps=8.0, start=0.75, end=2.75).pixels
    (embedding,) = model.similarity(model.params, model.collections, [window])
    np.testing.assert_allclose(index.embeddings[1], embedding, atol=1e-5)


def test_windows_go_on_beyond_the_most_frames_that_a_run_keeps(untrained, films):
    short = untrained(0, dataclasses.replace(DATA, max_frames=8))
    index = index_files(short, films / "more", seconds=1.0, report=print)
    assert index.spans.tolist() == [[0, 1], [0.5, 1.5]]


def test_a_window_is_as_long_as_what_the_run_learnt_of(model, untrained):
    lengths = [len(clip.frames) / clip.fps for clip in model.open_similar().clips("train")]
    assert usual_seconds(model) == np.median(lengths)
    copied = untrained(0)
    data = dataclasses.replace(DATA, source=CopiedVideos(seconds=3.0), root="no/such/folder")
    copied.experiment = dataclasses.replace(copied.experiment, data=data)
    assert usual_seconds(copied) == 3.0


def test_what_a_gallery_has_is_found_by_the_window_that_fits_best(model, films, index):
    ((path, hits),) = search_files(model, [films / "long.mp4"], index, k=5)
    assert path == films / "long.mp4" and {hit.name for hit in hits} == set(index.names)
    queries = index.embeddings[index.places == 0]
    pairs = np.array([(a, b) for a in range(len(queries)) for b in range(len(index.places))])
    scores = model.similarity.compare(model.params, queries, pairs, others=index.embeddings)
    best = scores.reshape(len(queries), -1).max(axis=0)
    for hit in hits:
        own = best[index.places == index.names.index(hit.name)]
        assert hit.probability == pytest.approx(own.max(), abs=1e-5)
    assert [hit.probability for hit in hits] == sorted((hit.probability for hit in hits), reverse=True)
    assert len(next(iter(search_files(model, [films / "long.mp4"], index, k=1)))[1]) == 1


def test_a_search_names_what_cannot_be_read_and_goes_on(model, films, index):
    found = dict(search_files(model, [films], index))
    assert [path.name for path in found] == ["broken.mp4", "long.mp4", "short.mp4"]
    assert isinstance(found[films / "broken.mp4"], DataError)
    assert len(found[films / "long.mp4"]) == 2


def test_what_makes_no_sense_is_refused(model, untrained, films, index, tmp_path):
    for numbers in ({"seconds": 0.0}, {"seconds": 1.0, "hop": 1.5}, {"seconds": 1.0, "hop": 0.0}):
        with pytest.raises(ConfigError, match="give a time above zero"):
            index_files(model, films, report=print, **numbers)
    with pytest.raises(ConfigError, match="-k is 0; ask for 1 answer or more"):
        next(search_files(model, [films], index, k=0))
    with pytest.raises(CheckpointError, match="the index was made by another checkpoint"):
        next(search_files(untrained(1), [films], index))
    (tmp_path / "broken.mp4").write_bytes(b"no film")
    with pytest.raises(DataError, match="none of 1 videos can be read, so there is nothing to search"):
        index_files(model, tmp_path, seconds=1.0, report=lambda error: None)
