"""Metrics of action segmentation and of alignment, written from the papers' formulas: clear and slow.

Segmentation: Lea et al. 2016 (arXiv:1611.05267) and Farha and Gall 2019 (arXiv:1903.01945). A labelling is a sequence
of one label per frame, a label is anything that compares by equality. Percentages are from 0 to 100.
Alignment: vectors of frames (frames, dim) against one vector per label (labels, dim); accuracies are from 0 to 1.
"""

from fractions import Fraction
from functools import cache
from typing import NamedTuple

import numpy as np

BOUNDARIES = ("exclusive", "inclusive")
OVERLAPS = (10, 25, 50)  # percent


class Segment(NamedTuple):
    """A maximal run of one label: its first and its last frame."""

    label: object
    first: int
    last: int


def segments(labelling, background=()):
    """The segments of a labelling in order; runs of background are found first and then dropped."""
    runs = []
    for frame, label in enumerate(labelling):
        if runs and runs[-1].label == label:
            runs[-1] = runs[-1]._replace(last=frame)
        else:
            runs.append(Segment(label, frame, frame))
    return [run for run in runs if run.label not in background]


def frame_accuracy(predicted, true, background=()):
    """The percentage of frames labelled right, over all videos; frames whose true label is background are left out."""
    right = total = 0
    for predicted_labels, true_labels in zip(predicted, true, strict=True):
        for predicted_label, true_label in zip(predicted_labels, true_labels, strict=True):
            if true_label not in background:
                total += 1
                right += predicted_label == true_label
    return 100 * right / total


def levenshtein(first, second):
    """The least number of insertions, deletions and substitutions that turn one sequence into the other."""

    @cache
    def distance(i, j):  # of the first i items of the one and the first j of the other
        if i == 0 or j == 0:
            return i + j
        return min(
            distance(i - 1, j) + 1,
            distance(i, j - 1) + 1,
            distance(i - 1, j - 1) + (first[i - 1] != second[j - 1]),
        )

    # From the small distances up, so that the recursion is never deep.
    for i in range(len(first) + 1):
        for j in range(len(second) + 1):
            distance(i, j)
    return distance(len(first), len(second))


def edit_score_of_video(predicted, true, background=()):
    """100 x (1 - edit distance of the segments' labels / segments of the longer); 100 where both have none."""
    predicted_labels = [segment.label for segment in segments(predicted, background)]
    true_labels = [segment.label for segment in segments(true, background)]
    longer = max(len(predicted_labels), len(true_labels))
    return 100 * (1 - levenshtein(predicted_labels, true_labels) / longer) if longer else 100.0


def edit_score(predicted, true, background=()):
    """The mean over videos."""
    scores = [edit_score_of_video(*pair, background) for pair in zip(predicted, true, strict=True)]
    return sum(scores) / len(scores)


def intersection_over_union(one, other, boundary):
    """How much two segments overlap in time, exactly.

    A segment ends at the frame after its last (exclusive) or at its last (inclusive); its length is end - start. Two
    segments without length overlap fully where they are the same frame.
    """
    after = {"exclusive": 1, "inclusive": 0}[boundary]
    one_end, other_end = one.last + after, other.last + after
    one_length, other_length = one_end - one.first, other_end - other.first
    if one_length == 0 and other_length == 0:
        return Fraction(int(one.first == other.first))
    intersection = max(0, min(one_end, other_end) - max(one.first, other.first))
    return Fraction(intersection, one_length + other_length - intersection)


class Counts(NamedTuple):
    """Segments found, invented and missed."""

    true_positives: int
    false_positives: int
    false_negatives: int

    @property
    def f1(self):
        """In percent; 100 where there is no segment, neither predicted nor true."""
        tp, fp, fn = self
        return 100 * 2 * tp / (2 * tp + fp + fn) if tp + fp + fn else 100.0


def count_of_video(predicted, true, overlap, boundary="exclusive", background=()):
    """Counts at an overlap in percent.

    Each predicted segment in turn picks the true segment of its label that it overlaps most, the earliest of several.
    It finds that segment if the overlap is reached and no earlier prediction has found it.
    """
    true_segments = segments(true, background)
    taken = set()
    false_positives = 0
    for segment in segments(predicted, background):
        best, best_overlap = None, Fraction(-1)
        for place, candidate in enumerate(true_segments):
            if candidate.label == segment.label:
                candidate_overlap = intersection_over_union(segment, candidate, boundary)
                if candidate_overlap > best_overlap:
                    best, best_overlap = place, candidate_overlap
        if best is not None and best not in taken and best_overlap >= Fraction(overlap, 100):
            taken.add(best)
        else:
            false_positives += 1
    return Counts(len(taken), false_positives, len(true_segments) - len(taken))


def count(predicted, true, overlap, boundary="exclusive", background=()):
    """Counts summed over videos."""
    videos = [count_of_video(*pair, overlap, boundary, background) for pair in zip(predicted, true, strict=True)]
    return Counts(*(sum(column) for column in zip(*videos, strict=True)))


def f1_score(predicted, true, overlap, boundary="exclusive", background=()):
    """F1 at an overlap in percent, from the counts of all videos."""
    return count(predicted, true, overlap, boundary, background).f1


def segmentation_metrics(predicted, true, background=()):
    """All of them in percent, F1 by its boundary; background counts in accuracy and in nothing else."""
    metrics = {"accuracy": frame_accuracy(predicted, true), "edit": edit_score(predicted, true, background)}
    for boundary in BOUNDARIES:
        for overlap in OVERLAPS:
            metrics[f"f1@{overlap} {boundary}"] = f1_score(predicted, true, overlap, boundary, background)
    return metrics


def cosine_similarity(one, other):
    """The cosine of the angle between two vectors; 0 where one of them is zero."""
    dot, one_square, other_square = (float(np.sum(a * b)) for a, b in ((one, other), (one, one), (other, other)))
    norms = (one_square**0.5) * (other_square**0.5)
    return dot / norms if norms else 0.0


def rank_of_right(similarities, embeddings, right):
    """1 plus the number of others as similar as the right description or more; one of several labels counts once."""
    as_near = {tuple(own) for own, value in zip(embeddings, similarities, strict=True) if value >= similarities[right]}
    return 1 + len(as_near - {tuple(embeddings[right])})


def alignment_metrics(aligned, labels, embeddings):
    """Metrics over frames: `aligned` (frames, dim), `labels` (frames,) places in `embeddings` (labels, dim).

    Computed in float64. The standard deviation is the population's; the median of an even number is the mean of two.
    """
    aligned, embeddings = np.asarray(aligned, np.float64), np.asarray(embeddings, np.float64)
    squares, similarities, ranks = [], [], []
    for vector, label in zip(aligned, labels, strict=True):
        to_labels = [cosine_similarity(vector, embedding) for embedding in embeddings]
        squares.append(float(np.mean((vector - embeddings[label]) ** 2)))
        similarities.append(to_labels[label])
        ranks.append(rank_of_right(to_labels, embeddings.tolist(), label))
    num_frames = len(ranks)
    ordered = sorted(similarities)
    mean = sum(similarities) / num_frames
    return {
        "mse_loss": sum(squares) / num_frames,
        "mean_cosine_similarity": mean,
        "median_cosine_similarity": (ordered[(num_frames - 1) // 2] + ordered[num_frames // 2]) / 2,
        "std_cosine_similarity": (sum((value - mean) ** 2 for value in similarities) / num_frames) ** 0.5,
        "accuracy@1": sum(rank <= 1 for rank in ranks) / num_frames,
        "accuracy@5": sum(rank <= 5 for rank in ranks) / num_frames,
    }


def alignment_metrics_by_type(aligned, labels, embeddings, names, null_labels=(), wrong_labels=()):
    """The metrics of all frames and of those of each type of label, told by its name; a type without frames is absent.

    The right description is looked for among all labels, whatever their type.
    """

    def type_of(label):
        if names[label] in null_labels:
            return "null"
        return "wrong" if names[label] in wrong_labels else "actions"

    metrics = {"all": alignment_metrics(aligned, labels, embeddings)}
    for kind in ("actions", "null", "wrong"):
        frames = [frame for frame, label in enumerate(labels) if type_of(label) == kind]
        if frames:
            vectors, found = [aligned[frame] for frame in frames], [labels[frame] for frame in frames]
            metrics[kind] = alignment_metrics(vectors, found, embeddings)
            own = [label for label in range(len(names)) if type_of(label) == kind]
            among = alignment_metrics(
                vectors, [own.index(label) for label in found], [embeddings[label] for label in own]
            )
            metrics[kind]["own_accuracy@1"] = among["accuracy@1"]
            metrics[kind]["own_chance@1"] = 1 / len({tuple(embeddings[label].tolist()) for label in own})
    return metrics
