import json
import sys

import numpy as np
import pytest

from jaxmm.config import decode, encode
from jaxmm.data.images import ImagePreparation
from jaxmm.errors import ConfigError, DataError, MissingExtraError

PLAIN = {"resize": None, "crop": None, "scale": 1.0, "mean": (0.0, 0.0, 0.0), "std": (1.0, 1.0, 1.0)}
SMALL = {"size": {"shortest_edge": 8}, "crop_size": {"height": 8, "width": 8}}


def frame(height, width):
    return np.random.default_rng(0).integers(0, 256, (height, width, 3)).astype(np.uint8)


@pytest.fixture
def write(tmp_path):
    """Writes settings and returns their folder."""

    def written(settings, file="preprocessor_config.json"):
        (tmp_path / file).write_text(json.dumps(settings))
        return tmp_path

    return written


def test_values_are_scaled_then_shifted_then_divided_by_colour():
    preparation = ImagePreparation(**PLAIN | {"scale": 0.5, "mean": (1.0, 2.0, 3.0), "std": (1.0, 2.0, 4.0)})
    pixels = np.array([[[10, 20, 30]]], np.uint8)
    found = preparation(pixels)
    assert found.dtype == np.float32
    assert found.tolist() == [[[4.0, 4.0, 3.0]]]


def test_nothing_to_do_leaves_the_values_as_they_are():
    picture = frame(3, 5)
    np.testing.assert_array_equal(ImagePreparation(**PLAIN)(picture), picture)


@pytest.mark.parametrize(
    ("shape", "resize", "wanted"),
    [
        ((10, 20), 5, (5, 10)),
        ((20, 10), 5, (10, 5)),
        ((7, 7), 21, (21, 21)),
        ((9, 10), 4, (4, 4)),  # 4.44 is cut off, not rounded
        ((4, 7), 3, (3, 5)),
        ((10, 20), (6, 3), (6, 3)),
        ((10, 20), None, (10, 20)),
    ],
)
def test_the_shorter_edge_or_both_are_given(shape, resize, wanted):
    assert ImagePreparation(**PLAIN | {"resize": resize})(frame(*shape)).shape[:2] == wanted


@pytest.mark.parametrize(("length", "first"), [(6, 1), (7, 1), (4, 0)])
def test_the_middle_is_cut_out(length, first):
    picture = frame(length, 4)
    found = ImagePreparation(**PLAIN | {"crop": (4, 4)})(picture)
    np.testing.assert_array_equal(found, picture[first : first + 4])


def test_a_smaller_frame_is_put_into_black():
    picture = frame(3, 7)
    found = ImagePreparation(**PLAIN | {"crop": (6, 4)})(picture)
    assert found.shape == (6, 4, 3)
    np.testing.assert_array_equal(found[2:5], picture[:, 1:5])
    assert not found[:2].any()
    assert not found[5:].any()


def test_an_empty_file_means_what_clip_does(write):
    assert ImagePreparation.read(write({})) == ImagePreparation()


@pytest.mark.parametrize(
    ("settings", "changes"),
    [
        ({"size": 336, "crop_size": 336}, {"resize": 336, "crop": (336, 336)}),
        ({"size": {"shortest_edge": 336}, "crop_size": {"width": 4, "height": 3}}, {"resize": 336, "crop": (3, 4)}),
        ({"size": {"height": 5, "width": 6}}, {"resize": (5, 6)}),
        ({"size": [5, 6], "crop_size": [3, 4]}, {"resize": (5, 6), "crop": (3, 4)}),
        ({"resample": 2}, {"resample": "bilinear"}),
        ({"resample": 0}, {"resample": "nearest"}),
        ({"do_resize": False, "do_center_crop": False}, {"resize": None, "crop": None}),
        ({"do_rescale": False}, {"scale": 1.0}),
        ({"rescale_factor": 0.5}, {"scale": 0.5}),
        ({"do_normalize": False}, {"mean": (0.0,) * 3, "std": (1.0,) * 3}),
        ({"image_mean": [1, 2, 3], "image_std": 0.5}, {"mean": (1.0, 2.0, 3.0), "std": (0.5,) * 3}),
        ({"image_mean": None, "do_pad": False, "pad_size": None, "default_to_square": False}, {}),
        ({"feature_extractor_type": "CLIPFeatureExtractor", "do_convert_rgb": True, "data_format": "first"}, {}),
    ],
)
def test_settings_of_old_and_new_files_are_honoured(settings, changes, write):
    assert ImagePreparation.read(write(settings)) == ImagePreparation(**changes)


@pytest.mark.parametrize(
    ("settings", "changes"),
    [
        ({"size": 224, "crop_pct": 0.875}, {"resize": 256, "crop": (224, 224)}),
        ({"size": {"shortest_edge": 224}, "crop_pct": 0.95}, {"resize": 235, "crop": (224, 224)}),
        ({"size": 100}, {"resize": 114, "crop": (100, 100)}),
        ({}, {"resize": (384, 384), "crop": None}),
        ({"size": 224, "do_resize": False, "resample": 2}, {"resize": None, "crop": None, "resample": "bilinear"}),
    ],
)
def test_settings_of_resnet_are_those_of_convnext(settings, changes, write):
    folder = write({"feature_extractor_type": "ConvNextFeatureExtractor", **settings})
    colours = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}
    assert ImagePreparation.read(folder) == ImagePreparation(**colours | changes)


def test_settings_below_those_of_a_processor_win(write):
    write({"size": 100})
    folder = write({"processor_class": "CLIPProcessor"}, "processor_config.json")
    assert ImagePreparation.read(folder).resize == 100
    write({"image_processor": {"size": 200}, "processor_class": "CLIPProcessor"}, "processor_config.json")
    assert ImagePreparation.read(folder).resize == 200


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"do_reduce_labels": True}, "the setting 'do_reduce_labels' is not known; known are do_resize, size"),
        ({"do_pad": True}, "the setting 'do_pad' is not known"),
        ({"pad_size": {"height": 3}}, "the setting 'pad_size' is not known"),
        ({"use_square_size": True}, "the setting 'use_square_size' is not known"),
        ({"default_to_square": True}, "the setting 'default_to_square' is not known"),
        ({"image_processor_type": "ViTImageProcessor"}, "image_processor_type 'ViTImageProcessor' is not supported"),
        ({"feature_extractor_type": ["x"]}, r"feature_extractor_type \['x'\] is not supported"),
        ({"size": {"longest_edge": 3}}, "'size' is {'longest_edge': 3}; it must be a whole number, or an object of"),
        ({"size": {"shortest_edge": 3, "longest_edge": 5}}, "'size' is .*; it must be"),
        ({"size": {"shortest_edge": True}}, "'size' is .*; it must be"),
        ({"size": {"shortest_edge": "224"}}, "'size' is .*; it must be"),
        ({"size": {"height": 3, "width": 2.5}}, "'size' is .*; it must be"),
        ({"size": [1, 2, 3]}, r"'size' is \[1, 2, 3\]; it must be"),
        ({"size": 2.5}, "'size' is 2.5; it must be"),
        ({"size": "large"}, "'size' is 'large'; it must be"),
        ({"size": 0}, "preparation.resize is 0; give edges of 1 to 4096 pixels"),
        ({"size": -5}, "preparation.resize is -5; give edges"),
        (
            {"crop_size": {"shortest_edge": 3}},
            "'crop_size' is .*; it must be a whole number, or an object of height and",
        ),
        ({"crop_size": [3, 0]}, r"preparation.crop is \(3, 0\); give edges"),
        ({"resample": 6}, "'resample' is 6; it must be a number from 0 to 5"),
        ({"resample": "bicubic"}, "'resample' is 'bicubic'; it must be a number"),
        ({"resample": True}, "'resample' is True; it must be a number"),
        ({"do_resize": 1}, "'do_resize' is 1; it must be true or false"),
        ({"do_normalize": "no"}, "'do_normalize' is 'no'; it must be true or false"),
        ({"rescale_factor": "1/255"}, "'rescale_factor' holds '1/255'; it must be a number"),
        ({"image_mean": [0.5, 0.5]}, r"'image_mean' is \[0.5, 0.5\]; it must hold 3 numbers"),
        ({"image_mean": [0.5, 0.5, None]}, "'image_mean' holds None; it must be a number"),
        ({"image_mean": [0.5, 0.5, 10**400]}, "'image_mean' holds an enormous number; it must be a number"),
        ({"image_std": [float("nan")] * 3}, "'image_std' holds nan; it must be a number"),
        ({"image_std": [1, 1, 0]}, r"preparation.std is \(1.0, 1.0, 0.0\); give values above zero"),
        (
            {"image_processor_type": "ConvNextImageProcessor", "size": [3, 4]},
            "it must be an object of shortest_edge",
        ),
        ({"image_processor_type": "ConvNextImageProcessor", "crop_pct": 2}, "'crop_pct' is 2.0; it must be above 0"),
        ({"image_processor_type": "ConvNextImageProcessor", "crop_size": 3}, "the setting 'crop_size' is not known"),
        ({"crop_pct": 0.9}, "the setting 'crop_pct' is not known"),
        ([], "holds a list, not an object"),
    ],
)
def test_settings_that_are_not_known_are_refused_by_name(settings, message, write):
    with pytest.raises(DataError, match=message) as caught:
        ImagePreparation.read(write(settings))
    assert "preprocessor_config.json" in str(caught.value)


def test_absent_and_damaged_files_are_refused(tmp_path):
    with pytest.raises(DataError, match=r"preprocessor_config.json: no such file; give the folder of a checkpoint"):
        ImagePreparation.read(tmp_path)
    (tmp_path / "preprocessor_config.json").write_text("{")
    with pytest.raises(DataError, match=r"preprocessor_config.json: not readable as JSON"):
        ImagePreparation.read(tmp_path)
    (tmp_path / "processor_config.json").write_text('{"image_processor": 3}')
    with pytest.raises(DataError, match=r"processor_config.json: 'image_processor' is not an object"):
        ImagePreparation.read(tmp_path)


def test_numbers_out_of_their_range_are_refused():
    with pytest.raises(ConfigError, match=r"preparation.crop is \(0, 4\); give edges of 1 to 4096 pixels, or None"):
        ImagePreparation(crop=(0, 4))
    with pytest.raises(ConfigError, match=r"preparation.std is .*; give values above zero"):
        ImagePreparation(std=(1.0, -1.0, 1.0))


def test_pillow_is_asked_for_where_it_is_needed_alone(monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(MissingExtraError, match=r"pillow is not installed; run: pip install 'jaxmm\[video\]'"):
        ImagePreparation()(frame(4, 4))
    assert ImagePreparation(**PLAIN)(frame(4, 4)).shape == (4, 4, 3)


def test_settings_come_back_from_json():
    for preparation in (ImagePreparation(), ImagePreparation(resize=(3, 4), crop=None, resample="box")):
        assert decode(encode(preparation)) == preparation


@pytest.mark.parametrize("name", ["resize", "crop"])
@pytest.mark.parametrize("edges", [10**10, (224, 4097), 0])
def test_edges_have_bounds(name, edges):
    edges = (edges, 8) if name == "crop" and isinstance(edges, int) else edges
    with pytest.raises(ConfigError, match=rf"preparation.{name} is .*; give edges of 1 to 4096 pixels"):
        ImagePreparation(**PLAIN | {name: edges})
