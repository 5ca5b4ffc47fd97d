"""Folders as MS-TCN and HA-ViD have them: looked at as they came, and then opened."""

import numpy as np
import pytest

LABELS = ("take", "open", "background")
VIDEOS = ("S1_Tea", "S2_Tea", "S3_Tea")
NUM_FRAMES, DIM = 24, 7


@pytest.fixture
def build(tmp_path):
    def folder(name, *, labels=LABELS, features=None, splits=2):
        root = tmp_path / name
        features = root / "features" if features is None else features
        for path in (features, root / "groundTruth", root / "splits"):
            path.mkdir(parents=True, exist_ok=True)
        (root / "mapping.txt").write_text("".join(f"{index} {label}\n" for index, label in enumerate(labels)))
        for place, video in enumerate(VIDEOS):
            rng = np.random.default_rng(place)
            np.save(features / f"{video}.npy", rng.normal(size=(DIM, NUM_FRAMES)).astype(np.float32))
            own = [labels[(frame // 6 + place) % len(labels)] for frame in range(NUM_FRAMES)]
            (root / "groundTruth" / f"{video}.txt").write_text("\n".join(own) + "\n")
        for number in range(1, splits + 1):
            test = VIDEOS[number - 1]
            for part, videos in (("train", [video for video in VIDEOS if video != test]), ("test", [test])):
                lines = "".join(f"{video}.txt\n" for video in videos)
                (root / "splits" / f"{part}.split{number}.bundle").write_text(lines)
        return root

    return folder


def test_a_folder_of_ms_tcn_is_read_as_it_is(build, prepare, sound, experiment):
    root = build("gtea")
    before = sorted(root.rglob("*"))
    found, (check, *trains) = prepare("segmentation", "gtea", root)
    assert found == {
        **{"labels": "3", "split 1": "train 2, test 1, in none 0", "split 2": "train 2, test 1, in none 0"},
        **{"features a frame": "7"},
    }
    assert sorted(root.rglob("*")) == before
    sound(check)
    for words in trains:
        trained = experiment(words)
        data = trained.data
        assert (data.null_labels, data.wrong_labels, data.source.fps) == (("background",), (), 15.0)
        videos = list(data.source.inventory(root).items())
        assert [(video.key, video.tags["split"]) for video in videos] == [
            ("S2_Tea", "train"),
            ("S3_Tea", "train"),
            ("S1_Tea", "test"),
        ]
        assert videos[0].features.shape == (NUM_FRAMES, DIM)
        assert "3" in words and {"segmentation", "semantic_alignment"} & {
            word.split("/")[1] for word in words if "configs" in word
        }


def test_the_features_of_havid_are_linked_to_where_they_lie_beside(build, tmp_path, prepare, sound, experiment):
    data = tmp_path / "data"
    root = build("data/view0_lh_aa", labels=("ibacb", "null", "w"), features=data / "features")
    (data / "features" / "another_view.npy").touch()
    found, (check, train, _) = prepare("segmentation", "havid", root, "--fps", 10)
    assert found["split 1"] == "train 2, test 1, in none 0"
    links = sorted((root / "features").iterdir())
    assert [link.name for link in links] == [f"{video}.npy" for video in VIDEOS]
    assert [link.resolve().parent for link in links] == [(data / "features").resolve()] * 3
    sound(check)
    settings = experiment(train).data
    assert (settings.null_labels, settings.wrong_labels, settings.source.fps) == (("null",), ("w",), 10.0)
    assert len(list(settings.source.inventory(root).items())) == 3
    prepare("segmentation", "havid", root)  # again, with the links there


def test_a_folder_that_is_not_whole_is_refused(build, refused):
    def said(root, dataset="50salads"):
        return refused("segmentation", dataset, root)

    root = build("a")
    (root / "mapping.txt").rename(root / "labels.txt")
    assert "mapping.txt: no such file or folder; name the folder that holds mapping.txt" in said(root)
    root = build("b")
    (root / "features").rename(root / "i3d")
    assert "features: no such file or folder; unpack the features there" in said(root)
    assert "holds no train.split1.bundle or the like" in said(build("c", splits=0))
    root = build("d")
    (root / "features" / "S3_Tea.npy").unlink()
    assert "no file 'S3_Tea.npy' in" in said(root)
    root = build("e")
    for video in VIDEOS:
        np.save(root / "features" / f"{video}.npy", np.zeros((DIM, 99), np.float32))
    assert "S2_Tea.npy: has shape (7, 99), but 24 frames have labels; unpack" in said(root)


def test_real_50_salads_are_whole(shared_data, prepare, experiment):
    root = shared_data / "segmentation" / "50salads"
    if not root.is_dir():
        pytest.skip("needs 50 Salads in ../shared/data/segmentation, which is not part of the repository")
    found, (_, train, _) = prepare("segmentation", "50salads", root, "--fps", 1)
    assert found["labels"] == "18" and found["features a frame"] == "56"
    assert [found[f"split {number}"] for number in range(1, 6)] == ["train 40, test 10, in none 0"] * 5
    assert experiment(train).data.source.dim == (56,)
