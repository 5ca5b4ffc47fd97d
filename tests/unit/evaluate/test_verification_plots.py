import numpy as np
import pytest

from jaxmm.errors import DataError
from jaxmm.evaluate.sweep import Sweep
from jaxmm.evaluate.verification_plots import plot_complexity, plot_curves, plot_scores

rng = np.random.default_rng(0)
SAME = rng.random(80) < 0.5
SCORES = rng.normal(size=80) + SAME


def test_curves_of_several_models_are_named_with_their_areas(tmp_path):
    models = {"siamese": Sweep.of(SCORES, SAME), "triplet": Sweep.of(-SCORES, SAME)}
    plot_curves(tmp_path / "curves.svg", models)
    picture = (tmp_path / "curves.svg").read_text()
    for name, sweep in models.items():
        assert f"{name}: AUC {sweep.roc_auc():.3f}" in picture
        assert f"{name}: AP {sweep.average_precision():.3f}" in picture
    assert f"chance: {SAME.mean():.3f}" in picture


def test_pairs_of_one_class_have_scores_but_no_curves(tmp_path):
    with pytest.raises(DataError, match="a ROC curve needs same and different pairs"):
        plot_curves(tmp_path / "curves.png", {"siamese": Sweep.of(SCORES, np.ones(80, bool))})
    plot_scores(tmp_path / "scores.svg", SCORES, np.ones(80, bool), threshold=0.25, title="siamese")
    picture = (tmp_path / "scores.svg").read_text()
    assert "same: 80 pairs" in picture and "different" not in picture and "threshold 0.25" in picture


def test_models_stand_by_their_cost_with_their_latency(tmp_path):
    costs, latencies, values = np.array([1e6, 2e7]), np.array([2.0, 31.4]), np.array([0.8, 0.9])
    plot_complexity(tmp_path / "cost.svg", ["siamese", "attention"], costs, latencies, values, cost="FLOPs")
    picture = (tmp_path / "cost.svg").read_text()
    assert all(word in picture for word in ("attention", "31.4 ms", "FLOPs", "ROC-AUC"))


def test_many_models_are_told_apart_by_number_and_named_beside_their_curves(tmp_path):
    names = [f"model{place}" for place in range(13)]
    plot_curves(tmp_path / "curves.svg", {name: Sweep.of(SCORES, SAME) for name in names})
    plot_complexity(tmp_path / "cost.svg", names, np.full(13, 1e6), np.ones(13), np.linspace(0.8, 0.9, 13))
    curves, cost = ((tmp_path / f"{name}.svg").read_text() for name in ("curves", "cost"))
    assert all(f"{name}: AUC" in curves and f"{name}, 1 ms" in cost for name in names)
    assert "<!-- 13 -->" in cost
