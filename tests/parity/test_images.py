"""Our preparation of frames against transformers' CLIPImageProcessor with pillow, and its files."""

import numpy as np
import pytest

from jaxmm.data.images import ImagePreparation

transformers = pytest.importorskip("transformers")
pytest.importorskip("PIL")

try:
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil as Processor
except ImportError:  # transformers 4, whose slow processor is the one with pillow
    Processor = transformers.CLIPImageProcessor

SETTINGS = {
    "clip": {},
    "large": {"size": {"shortest_edge": 336}, "crop_size": 336},
    "old": {"size": 30, "crop_size": 28},
    "squeezed": {"size": {"height": 20, "width": 31}, "do_center_crop": False, "resample": 2},
    "black around": {"size": {"shortest_edge": 17}, "crop_size": {"height": 24, "width": 41}, "resample": 0},
    "odd middle": {"do_resize": False, "crop_size": {"height": 33, "width": 46}},
    "not scaled": {"size": 40, "crop_size": 33, "do_rescale": False, "resample": 1},
    "not normalised": {"size": 40, "crop_size": 33, "do_normalize": False, "rescale_factor": 0.013},
    "other colours": {"size": 12, "crop_size": 12, "image_mean": [0.1, 0.5, 0.9], "image_std": [0.2, 0.3, 0.4]},
}


@pytest.fixture(scope="module", params=SETTINGS)
def processor(request):
    return Processor(**SETTINGS[request.param])


@pytest.mark.parametrize("shape", [(48, 64), (90, 37), (33, 33), (224, 224)])
def test_prepared_frames_equal_those_of_transformers(processor, shape, tmp_path):
    processor.save_pretrained(tmp_path)
    preparation = ImagePreparation.read(tmp_path)
    rows, columns = np.indices(shape)
    smooth = np.stack([rows, columns, rows + columns], axis=-1) * 2 % 256
    rough = np.random.default_rng(0).integers(0, 256, (*shape, 3))
    for frame in (smooth.astype(np.uint8), rough.astype(np.uint8)):
        theirs = processor(images=frame, return_tensors="np", input_data_format="channels_last")["pixel_values"][0]
        ours = preparation(frame)
        assert ours.dtype == np.float32
        np.testing.assert_allclose(ours, theirs.transpose(1, 2, 0), rtol=0, atol=1e-6)
