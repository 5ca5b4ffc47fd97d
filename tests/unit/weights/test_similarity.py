"""Files of the networks of seed 003 are read strictly; `tests/parity` reads those that torch wrote."""

import numpy as np
import pytest

from jaxmm.encoders.similarity import AttentionEncoder, PooledTrunk
from jaxmm.errors import WeightsError
from jaxmm.weights.similarity import load_similarity, split_attention

from .torch_files import mapping, number, saved


@pytest.mark.parametrize("encoder", [PooledTrunk(), AttentionEncoder(positions=False)])
def test_a_file_of_anything_but_tensors_by_name_is_refused(encoder, tmp_path):
    path = tmp_path / "net.pth"
    for value in (mapping(epoch=number(3)), mapping(**{"attention.in_proj_weight": number(3)})):
        path.write_bytes(saved(value, {}))
        with pytest.raises(WeightsError, match=r"net\.pth: holds no table of tensors by name; save it as") as error:
            load_similarity(str(path), encoder)
        assert str(error.value).count("net.pth") == 1


@pytest.mark.parametrize("shape", [(), (4, 2)])
def test_a_projection_that_does_not_part_into_three_is_refused(shape):
    with pytest.raises(WeightsError, match="has the shape"):
        split_attention({"attention.in_proj_weight": np.zeros(shape)})
