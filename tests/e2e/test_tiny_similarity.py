"""The shipped tiny config on compared videos, from training to the files that a gallery finds, by command line."""

import json
from pathlib import Path

import numpy as np
import pytest

from jaxmm.cli import main
from jaxmm.data.video.sources import ProceduralVideos
from jaxmm.rendering.film import write_mp4

CONFIG = "configs/video_similarity/tiny.py"
CHANCE, MARGIN = 0.5, 0.35  # of the area under the ROC curve
LOOKS = ("red_bar", "green_square", "blue_triangle", "yellow_cross")


@pytest.fixture(scope="module")
def trained(jaxmm, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "similarity"
    jaxmm("train", CONFIG, "--workdir", folder)
    return folder


@pytest.fixture
def told(capsys):
    """Runs a command in this process and returns the one object that it prints, and what it notes."""

    def run(*words: object, status: int | None = None) -> tuple[dict, str]:
        if status is None:
            main([*map(str, words), "--json"])
        else:
            with pytest.raises(SystemExit) as ended:
                main([*map(str, words), "--json"])
            assert ended.value.code == status
        printed = capsys.readouterr()
        return json.loads(printed.out or "{}"), printed.err

    return run


@pytest.fixture(scope="module")
def films(tmp_path_factory) -> Path:
    """A folder of films of two shots each: a shape goes left for 2 s, and then right."""
    pytest.importorskip("av", reason="needs av, the extra 'video'")
    folder = tmp_path_factory.mktemp("films")
    for look in LOOKS:
        write_mp4(
            folder / "gallery" / f"{look}.mp4", np.concatenate([shot(look, "left"), shot(look, "right")]), fps=8.0
        )
    write_mp4(folder / "query.mp4", shot("green_square", "right", take=1), fps=8.0)
    write_mp4(folder / "other.mp4", shot("green_square", "left", take=1), fps=8.0)
    return folder


def shot(look: str, move: str, take: int = 0) -> np.ndarray:
    source = ProceduralVideos(looks=(look,), moves=(move,), num_train=0, num_val=0, num_test=2)
    return np.asarray(list(source.inventory(None).items())[take].make(64))


def test_what_belongs_together_is_told_beyond_chance(trained, told, tmp_path):
    scores, _ = told("evaluate", trained, "--bootstrap", 50, "--pictures", tmp_path / "pictures")
    assert scores["test/roc_auc"] >= CHANCE + MARGIN
    assert scores["test/roc_auc/low"] <= scores["test/roc_auc"] <= scores["test/roc_auc/high"]
    names = sorted(path.name for path in (tmp_path / "pictures").iterdir())
    assert names == ["curves.png", "pairs.csv", "scores.png"]
    again, _ = told("evaluate", trained, "--ensemble", trained)
    assert again["test/roc_auc"] == pytest.approx(scores["test/roc_auc"])


def test_every_pair_of_files_is_compared(trained, films, told):
    files = [films / "query.mp4", films / "other.mp4", films / "gallery" / "red_bar.mp4"]
    found, _ = told("similar", trained, *files)
    assert list(found) == [f"{a} {b}" for a, b in ((files[0], files[1]), (files[0], files[2]), (files[1], files[2]))]
    assert all(0 <= value <= 1 for value in found.values())
    alone, _ = told("similar", trained, files[0], files[0].with_name("other.mp4"), "--ensemble", trained)
    assert alone == {f"{files[0]} {files[1]}": pytest.approx(found[f"{files[0]} {files[1]}"], abs=1e-6)}


def test_a_short_excerpt_finds_its_shape_and_the_place_in_its_film(trained, films, told, tmp_path):
    gallery = tmp_path / "gallery.safetensors"
    made, _ = told("index", trained, "--out", gallery, "--videos", films / "gallery")
    assert made == {"videos": 4, "windows": 12, "seconds": 2, "bad": 0}
    found, _ = told("search", trained, films / "query.mp4", "--index", gallery, "-k", 2)
    assert next(iter(found)) == "green_square.mp4/probability" and len(found) == 2 * 3
    assert (found["green_square.mp4/start"], found["green_square.mp4/end"]) == (2, 4)
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no film")
    several, noted = told(
        "search", trained, broken, films / "query.mp4", films / "other.mp4", "--index", gallery, status=1
    )
    assert "broken.mp4: is damaged, or no video" in noted
    assert several[f"{films / 'other.mp4'}/green_square.mp4/start"] == 0
    told("search", trained, broken, "--index", gallery, "--on_bad", "skip")
    main(["search", str(trained), str(films / "query.mp4"), "--index", str(gallery)])


def test_a_film_that_cannot_be_read_is_named_and_left_out_of_a_gallery(trained, films, told, tmp_path):
    folder = tmp_path / "films"
    write_mp4(folder / "sound.mp4", shot("red_bar", "left"), fps=8.0)
    (folder / "broken.mp4").write_bytes(b"no film")
    words = ("index", trained, "--out", tmp_path / "gallery", "--videos", folder, "--window", 1, "--hop", 0.5)
    made, noted = told(*words, status=1)
    assert made == {"videos": 1, "windows": 3, "seconds": 1, "bad": 1}
    assert "broken.mp4: is damaged, or no video" in noted
    told(*words, "--on_bad", "skip")


def test_the_embedding_and_the_score_are_exported(trained, tmp_path, told):
    from jaxmm.artefact import load

    for part in ("embedding", "score"):
        told("export", trained, "--format", "stablehlo", "--part", part, "--out", tmp_path / f"{part}.stablehlo")
    embedding, score = (load(tmp_path / f"{part}.stablehlo") for part in ("embedding", "score"))
    videos = np.stack([shot("red_bar", "left")[::2, ::2, ::2], shot("green_square", "left")[::2, ::2, ::2]])
    made = embedding(frames=videos, frame_mask=np.ones(videos.shape[:2], bool))["embedding"]
    likeness = score(a=made[[0, 0]], b=made[[0, 1]])["probability"]
    assert likeness[0] > 0.5 > likeness[1]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("similar", "{run}", "{films}/query.mp4"), "one video has no other to be compared with"),
        (("similar", "{run}", "{films}/query.mp4", "{films}/none.mp4"), "none.mp4: no such file or folder"),
        (("similar", "no/such/run", "{films}"), "no/such/run: is not a run"),
        (("index", "{run}", "--out", "gallery"), "name the folder of those to index, --videos FOLDER"),
        (("index", "{run}", "--out", "gallery", "--videos", "{films}", "--split", "test"), "leave --split"),
        (("index", "{run}", "--out", "gallery", "--videos", "{films}", "--window", "0"), "a window lasts 0 s"),
        (("search", "{run}", "--index", "gallery"), "no video is given"),
        (("search", "{run}", "{films}", "--index", "no/such"), "no/such: cannot be read"),
        (("classify", "{run}", "{films}"), "classifies no videos"),
    ],
)
def test_what_makes_no_sense_is_told_at_once(trained, films, told, words, message):
    _, noted = told(*(word.format(run=trained, films=films) for word in words), status=2)
    assert message in noted
