import dataclasses

import pytest

from jaxmm import Experiment, SegmentationFolder, SegmentedVideos
from jaxmm.errors import ConfigError
from jaxmm.frames.compare import compare_features


def test_the_folder_and_the_width_of_its_features_must_be_named(alignment, tmp_path):
    experiment = alignment.experiment
    homeless = SegmentedVideos(source=SegmentationFolder(dim=(8,)))
    with pytest.raises(ConfigError, match=r"data\.root is not set; give the folder"):
        compare_features(dataclasses.replace(experiment, data=homeless), experiment, tmp_path)
    unmeasured = SegmentedVideos(source=SegmentationFolder(), root=str(tmp_path))
    with pytest.raises(ConfigError, match=r"data\.source\.dim is empty; name the number of features"):
        compare_features(dataclasses.replace(experiment, data=unmeasured), experiment, tmp_path)


def test_what_is_no_alignment_of_videos_is_refused(task, data, alignment, tmp_path):
    retrieval = Experiment(task=task, data=data.settings)
    with pytest.raises(ConfigError, match="data are MotionText; compare an alignment on SegmentedVideos"):
        compare_features(retrieval, alignment.experiment, tmp_path)
