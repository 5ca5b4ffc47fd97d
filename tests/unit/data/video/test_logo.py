import dataclasses

import numpy as np

from jaxmm.data.video.logo import Logo


def test_a_logo_hides_as_much_as_its_opacity():
    logo = Logo(text="", place=(1.0, 0.0), width=0.5, colour=(255, 0, 0), opacity=0.6)
    frames = np.zeros((2, 40, 60, 3), np.uint8)
    stamped = logo(frames)
    np.testing.assert_array_equal(stamped[:, :8, 30:50], np.broadcast_to([153, 0, 0], (2, 8, 20, 3)))
    assert stamped.sum() == 2 * 8 * 20 * 153 and not frames.any()
    round_one = dataclasses.replace(logo, is_round=True)(frames)
    assert 0.6 < (round_one[..., 0] > 0).sum() / (2 * 8 * 20) < 0.9
    lettered = dataclasses.replace(logo, text="KEY")(frames)
    assert (lettered[..., 1] > 0).any()
