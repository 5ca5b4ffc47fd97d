"""Scores of classification against scikit-learn."""

import numpy as np
import pytest

from jaxmm.evaluate.classification import class_scores, classification_scores, confusion

metrics = pytest.importorskip("sklearn.metrics", reason="needs scikit-learn, the extra 'plots'")


@pytest.mark.parametrize("seed", range(20))
def test_scores_are_those_of_scikit_learn(seed):
    rng = np.random.default_rng(seed)
    num_classes = int(rng.integers(6, 12))
    labels = rng.integers(num_classes, size=60)
    logits = rng.normal(size=(60, num_classes)) + 1.5 * np.eye(num_classes)[labels]
    told, scores = logits.argmax(axis=1), classification_scores(logits, labels)
    expected = {
        "top1": metrics.accuracy_score(labels, told),
        "top5": metrics.top_k_accuracy_score(labels, logits, k=5, labels=np.arange(num_classes)),
        "macro_precision": metrics.precision_score(labels, told, average="macro", zero_division=0),
        "macro_recall": metrics.recall_score(labels, told, average="macro", zero_division=0),
        "macro_f1": metrics.f1_score(labels, told, average="macro", zero_division=0),
    }
    assert {name: scores[name] for name in expected} == pytest.approx(expected, abs=1e-9)
    counts = confusion(told, labels, num_classes=num_classes)
    np.testing.assert_array_equal(counts, metrics.confusion_matrix(labels, told, labels=np.arange(num_classes)))
    by_class = metrics.precision_recall_fscore_support(
        labels, told, labels=np.arange(num_classes), average=None, zero_division=0
    )
    for own, theirs in zip(class_scores(counts).values(), by_class, strict=True):
        np.testing.assert_allclose(own, theirs, atol=1e-9)
