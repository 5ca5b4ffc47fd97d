"""The shipped tiny config on compared videos, from training to the files that a gallery finds, by command line."""

import json
from pathlib import Path

import numpy as np
import pytest

from jaxmm.cli import main
from jaxmm.data.video.sources import ProceduralVideos
from jaxmm.rendering.film import write_mp4

TWO_CHECKPOINTS = ("configs/video_similarity/tiny.py", "--loop.keep", "2")
# Of the area under the ROC curve. Who is blind to the order of frames, and tells looks alone, reaches 0.92.
CHANCE, MARGIN = 0.5, 0.35
FILMS = (("red_bar", "green_square"), ("blue_triangle", "yellow_cross"))


@pytest.fixture(scope="module")
def trained(jaxmm, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "similarity"
    jaxmm("train", *TWO_CHECKPOINTS, "--workdir", folder)
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
    """A gallery of two films, in each of which one shape goes left for 2 s and then another, and other takes."""
    pytest.importorskip("av", reason="needs av, the extra 'video'")
    folder = tmp_path_factory.mktemp("films")
    for first, second in FILMS:
        frames = np.concatenate([shot(first, "left"), shot(second, "left")])
        write_mp4(folder / "gallery" / f"{first}-{second}.mp4", frames, fps=8.0)
    for look in (look for film in FILMS for look in film):
        for move in ("left", "right"):
            write_mp4(folder / "queries" / f"{look}_{move}.mp4", shot(look, move, take=1), fps=8.0)
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


def test_goes_on_from_a_checkpoint_and_is_exported(goes_on_and_leaves, trained):
    goes_on_and_leaves(trained, *TWO_CHECKPOINTS, part="score")


def test_every_pair_of_files_is_compared(trained, films, told):
    a, b, c = (
        films / "queries" / f"{name}.mp4" for name in ("green_square_left", "green_square_right", "red_bar_left")
    )
    found, _ = told("similar", trained, a, b, c)
    assert list(found) == [f"{a} {b}", f"{a} {c}", f"{b} {c}"]
    assert found[f"{a} {b}"] > 0.5 > found[f"{a} {c}"]
    again, _ = told("similar", trained, a, b, "--ensemble", trained)
    assert again == {f"{a} {b}": pytest.approx(found[f"{a} {b}"], abs=1e-6)}


def test_a_short_excerpt_finds_its_film_and_the_place_in_it(trained, films, told, tmp_path):
    gallery = tmp_path / "gallery.safetensors"
    made, _ = told("index", trained, "--out", gallery, "--videos", films / "gallery")
    assert made == {"videos": 2, "windows": 6, "seconds": 2, "bad": 0}
    right = 0
    for query in sorted((films / "queries").iterdir()):
        found, _ = told("search", trained, query, "--index", gallery, "-k", 1)
        (film,) = (name.removesuffix("/probability") for name in found if name.endswith("/probability"))
        look = query.stem.rpartition("_")[0]
        start = 0 if film.startswith(look) else 2
        right += look in film and (found[f"{film}/start"], found[f"{film}/end"]) == (start, start + 2)
    assert right >= 6  # of 8; by chance one or two


def test_a_query_that_cannot_be_read_is_named(trained, films, told, tmp_path):
    gallery, broken = tmp_path / "gallery.safetensors", tmp_path / "broken.mp4"
    told("index", trained, "--out", gallery, "--videos", films / "gallery", "--window", 1.5)
    broken.write_bytes(b"no film")
    query = films / "queries" / "red_bar_left.mp4"
    found, noted = told("search", trained, broken, query, "--index", gallery, status=1)
    assert "broken.mp4: is damaged, or no video" in noted and len(found) == 2 * 3
    told("search", trained, broken, "--index", gallery, "--on_bad", "skip")


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
        (("similar", "{run}", "{films}/queries/red_bar_left.mp4"), "one video has no other to be compared with"),
        (
            ("similar", "{run}", "{films}/queries/red_bar_left.mp4", "{films}/none.mp4"),
            "none.mp4: no such file or folder",
        ),
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
