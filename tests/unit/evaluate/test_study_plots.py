"""Pictures of studies; those of landscapes are drawn in tests/unit/similarity/test_landscape.py."""

import numpy as np
import pytest

from jaxmm.evaluate.study_plots import plot_margins

pytest.importorskip("matplotlib", reason="needs the extra 'plots'")


def test_margins_stand_with_their_scores_even_where_an_interval_leaves_the_score_out(tmp_path):
    values = {"roc_auc": np.array([0.8, 0.9]), "roc_auc/low": np.array([0.7, 0.95]), "roc_auc/high": np.ones(2)}
    values |= {"eer": np.array([0.2, 0.1]), "eer/low": np.zeros(2), "eer/high": np.array([0.15, 0.3])}
    plot_margins(tmp_path / "margins.svg", np.array([0.25, 1.0]), values)
    picture = (tmp_path / "margins.svg").read_text()
    assert all(f"<!-- {word} -->" in picture for word in ("0.25", "1", "margin", "ROC-AUC", "equal error rate"))
