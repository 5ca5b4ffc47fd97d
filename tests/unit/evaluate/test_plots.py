import sys

import numpy as np
import pytest

from jaxmm.errors import DataError, MissingExtraError
from jaxmm.evaluate.plots import plot_embeddings

rng = np.random.default_rng(0)
MOTION, TEXT = rng.normal(size=(6, 4)).astype(np.float32), rng.normal(size=(3, 4)).astype(np.float32)
RELEVANT = np.eye(3, dtype=bool)[np.arange(6) % 3]


def test_the_picture_is_written_in_the_format_of_its_suffix_and_counts_both_modalities(tmp_path):
    plot_embeddings(tmp_path / "tsne.svg", MOTION, TEXT, RELEVANT)
    picture = (tmp_path / "tsne.svg").read_text()
    assert "<svg" in picture
    assert "6 motions" in picture
    assert "3 captions" in picture


def test_umap_draws_the_same_picture_of_another_plane(tmp_path):
    pytest.importorskip("umap", reason="needs the extra 'umap'")
    for name in ("first.svg", "again.svg"):
        plot_embeddings(tmp_path / name, MOTION, TEXT, RELEVANT, projection="umap")
    plot_embeddings(tmp_path / "tsne.svg", MOTION, TEXT, RELEVANT, projection="tsne")
    places = [
        [line for line in (tmp_path / name).read_text().splitlines() if "<use " in line]
        for name in ("first.svg", "again.svg", "tsne.svg")
    ]
    assert len(places[0]) >= len(MOTION) + len(TEXT)
    strip = [[line.partition(" x=")[2] for line in own] for own in places]
    assert strip[0] == strip[1] != strip[2]


def test_fewer_than_four_points_are_refused(tmp_path):
    with pytest.raises(DataError, match="t-SNE needs four points or more, there are 3; choose a larger split"):
        plot_embeddings(tmp_path / "tsne.png", MOTION[:2], TEXT[:1], RELEVANT[:2, :1])
    assert not (tmp_path / "tsne.png").exists()
    with pytest.raises(DataError, match="UMAP needs four points or more, there are 3"):
        plot_embeddings(tmp_path / "umap.png", MOTION[:2], TEXT[:1], RELEVANT[:2, :1], projection="umap")


class NotInstalled:
    """Finds one package to be absent, as the import system does."""

    def __init__(self, package):
        self.package = package

    def find_spec(self, name, path=None, target=None):
        if name == self.package:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


@pytest.mark.parametrize("package", ["matplotlib", "sklearn"])
def test_without_the_extra_the_message_says_how_to_get_it(package, tmp_path, monkeypatch):
    for name in [name for name in sys.modules if name.split(".")[0] == package]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [NotInstalled(package), *sys.meta_path])
    with pytest.raises(MissingExtraError, match=rf"^{package} is not installed; run: pip install 'jaxmm\[plots\]'"):
        plot_embeddings(tmp_path / "tsne.png", MOTION, TEXT, RELEVANT)


def test_without_umap_the_message_names_its_own_extra(tmp_path, monkeypatch):
    for name in [name for name in sys.modules if name.split(".")[0] == "umap"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [NotInstalled("umap"), *sys.meta_path])
    with pytest.raises(MissingExtraError, match=r"^umap is not installed; run: pip install 'jaxmm\[umap\]'"):
        plot_embeddings(tmp_path / "umap.png", MOTION, TEXT, RELEVANT, projection="umap")
