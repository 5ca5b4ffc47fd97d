import numpy as np
import pytest

from jaxmm.evaluate.class_plots import plot_confusion


@pytest.mark.parametrize("num_classes", [1, 4, 18, 101])
def test_names_and_counts_are_in_the_picture_and_zeros_are_not(num_classes, tmp_path):
    names = [f"class_with_a_rather_long_name_{number}" for number in range(num_classes)]
    counts = np.diag(1000 + np.arange(num_classes))
    plot_confusion(tmp_path / "confusion.svg", counts, names)
    picture = (tmp_path / "confusion.svg").read_text()
    assert all(picture.count(f"<!-- {name} -->") == 2 for name in names)
    assert picture.count("<!-- 1000 -->") == 1
    assert "<!-- 0 -->" not in picture
