import dataclasses
from pathlib import Path

import numpy as np
import pytest

from jaxmm import Experiment, Semantics
from jaxmm.data.segmentation.labels import read_frame_labels
from jaxmm.errors import ConfigError, DataError, WeightsError
from jaxmm.evaluate.alignment import alignment_scores
from jaxmm.evaluate.segments import scores_of, segment_ratios
from jaxmm.frames import enhance
from jaxmm.frames.enhance import write_answers
from jaxmm.frames.evaluation import embeddings_of, evaluate_frames, label_types, labels_of
from jaxmm.frames.labelling import write_labels
from jaxmm.frames.pictures import draw_answers
from jaxmm.model import Model
from jaxmm.weights.label_embeddings import write_label_embeddings


def answers_to(model, split):
    videos = model.open_segmented().videos(split)
    return videos, list(model.frames(model.params, model.collections, [video.features for video in videos]))


def test_an_alignment_is_scored_by_its_features_and_by_the_labels_of_the_nearest_descriptions(alignment):
    scores = evaluate_frames(alignment, split="test")
    videos, answers = answers_to(alignment, "test")
    embeddings = alignment.collections["semantics"]["embeddings"]
    labels = [video.labels for video in videos]
    expected = alignment_scores(answers, labels, embeddings, types=label_types(alignment.open_segmented()))
    found = [(answer @ embeddings.T).argmax(axis=1) for answer in answers]
    expected |= {f"segments/{name}": value for name, value in scores_of(segment_ratios(found, labels)).items()}
    assert scores == {f"test/{name}": pytest.approx(value, nan_ok=True) for name, value in expected.items()}
    assert {"test/actions/mse_loss", "test/null/mse_loss"} <= set(scores)


def test_a_segmentation_is_scored_by_its_segments_alone(segmentation):
    scores = evaluate_frames(segmentation, split="val", num_resamples=10)
    assert {name.split("/")[1] for name in scores} == {"segments"}
    assert "val/segments/edit/low" in scores
    assert embeddings_of(segmentation) is None


def test_labels_have_types_by_name_and_may_be_unseen(alignment):
    data = alignment.open_segmented()
    types = label_types(data)
    named = {name: [data.vocabulary.labels[number] for number in own] for name, own in types.items()}
    assert (named["null"], named["wrong"], len(named["actions"])) == (["null"], ["wrong"], 25)
    assert tuple(named["unseen"]) == data.settings.unseen_labels


def test_labels_come_from_preferences_or_from_the_nearest_direction():
    answers = np.array([[0.0, 1.0], [9.0, 1.0]], np.float32)
    assert labels_of(answers, None).tolist() == [1, 0]
    assert labels_of(answers, np.array([[0.0, 5.0], [0.1, 0.0]], np.float32)).tolist() == [0, 1]


def test_written_labels_are_those_of_the_answers(segmentation, tmp_path):
    counts = write_labels(segmentation, tmp_path / "labels", split="test")
    videos, answers = answers_to(segmentation, "test")
    for video, answer in zip(videos, answers, strict=True):
        read = read_frame_labels(tmp_path / "labels" / f"{video.key}.txt", segmentation.frames.vocabulary)
        np.testing.assert_array_equal(read, answer.argmax(axis=1))
    assert (
        counts["frames"]
        == sum(map(len, answers))
        == sum(count for name, count in counts.items() if name.startswith("frames/"))
    )
    with pytest.raises(DataError, match="is not an empty folder"):
        write_labels(segmentation, tmp_path / "labels")


def test_pictures_need_a_split_that_is_there(segmentation, tmp_path):
    pytest.importorskip("matplotlib", reason="needs matplotlib, the extra 'plots'")
    assert draw_answers(segmentation, tmp_path / "pictures", split="val") == 1
    with pytest.raises(ConfigError, match="choose among train"):
        draw_answers(segmentation, tmp_path / "pictures", split="dev")


@pytest.mark.parametrize("cross_fit", [-1, 1])
def test_cross_fitting_needs_two_parts(cross_fit, tmp_path):
    with pytest.raises(ConfigError, match=f"cross_fit is {cross_fit}; give 2 parts or more, or 0 for none"):
        write_answers(tmp_path, tmp_path / "out", cross_fit=cross_fit)


def test_descriptions_must_be_embedded_as_widely_as_those_of_training(alignment, tmp_path):
    (tmp_path / "mine.txt").write_text("cut cut it\n")
    write_label_embeddings(tmp_path / "labels.npz", {"cut": np.ones(7)})
    task = dataclasses.replace(alignment.experiment.task, semantics=Semantics(source=str(tmp_path / "labels.npz")))
    experiment = dataclasses.replace(alignment.experiment, task=task)
    model = Model(alignment.run, experiment, alignment.params, alignment.collections, 7)
    with pytest.raises(WeightsError, match=r"labels\.npz: its embeddings have 7 numbers, but those of training had 6"):
        write_labels(model, tmp_path / "out", descriptions=tmp_path / "mine.txt")
    assert not (tmp_path / "out").exists()


def test_features_that_cannot_all_be_written_leave_no_folder(alignment, tmp_path, monkeypatch):
    written = []

    def write_features(path, features):
        if len(written) == 3:
            raise OSError("No space left on device")
        np.save(path, features)
        written.append(path.exists())

    monkeypatch.setattr(enhance, "load", lambda *_, **__: alignment)
    monkeypatch.setattr(enhance, "write_features", write_features)
    with pytest.raises(OSError, match="No space left"):
        write_answers(alignment.run, tmp_path / "out")
    assert written == [True] * 3 and not (tmp_path / "out").exists()
    monkeypatch.undo()
    monkeypatch.setattr(enhance, "load", lambda *_, **__: alignment)
    assert write_answers(alignment.run, tmp_path / "out") == {"videos": 6.0, "unseen": 2.0, "fitted": 4.0}
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    write_answers(alignment.run, Path())
    assert len(list((tmp_path / "here").glob("*.npy"))) == 6


def test_a_run_of_another_system_answers_no_frames(task, data, tmp_path):
    model = Model(tmp_path, Experiment(task=task, data=data.settings), {}, {}, 0)
    with pytest.raises(ConfigError, match="its data are MotionText; choose a run on SegmentedVideos"):
        evaluate_frames(model, split="test")
