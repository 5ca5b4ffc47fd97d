import dataclasses

import pytest

from jaxmm import ProceduralSegments, SegmentedVideos
from jaxmm.errors import ConfigError

SETTINGS = SegmentedVideos(source=ProceduralSegments(num_train=3, num_val=1, num_test=0, dim=8), batch_size=2)


@pytest.fixture(scope="module")
def opened(cache, tmp_path_factory):
    del cache
    return SETTINGS.open(tmp_path_factory.mktemp("assets"))


def test_the_first_batch_is_no_longer_than_those_of_training(opened):
    assert max(video.num_frames for video in opened.videos("train")) > 100
    short = dataclasses.replace(SETTINGS, max_frames=70).open(opened.assets)
    batch = short.sample_batch()
    assert batch["features"].shape == next(short.train_batches(seed=0))["features"].shape == (2, 80, 8)
    assert batch["frame_mask"].sum(axis=1).tolist() == [70, 70]


def test_data_without_a_video_to_train_on_say_so(opened):
    source = dataclasses.replace(SETTINGS.source, num_train=0)
    with pytest.raises(ConfigError, match="the training split holds no clip; bring some"):
        _ = dataclasses.replace(SETTINGS, source=source).open(opened.assets).steps_per_epoch
