"""Tables of PHOENIX14T and How2Sign, written from their annotations and then prepared and opened."""

import csv

import numpy as np
import pytest

from jaxmm.data.sign.sources import SignFolder
from jaxmm.data.sign.table import list_rows

PHOENIX = "name|video|start|end|speaker|orth|translation"
HOW2SIGN = "VIDEO_ID\tVIDEO_NAME\tSENTENCE_ID\tSENTENCE_NAME\tSTART_REALIGNED\tEND_REALIGNED\tSENTENCE"


@pytest.fixture
def phoenix(tmp_path):
    folder = tmp_path / "manual"
    folder.mkdir()
    rows = {
        "train": [
            'a-1|a-1/1/*.png|-1|-1|Signer08|REGEN IX|im "norden" regnet es , auch',
            "a-2|x|-1|-1|Signer01|KALT|kalt",
        ],
        "dev": ["b-1|x|-1|-1|Signer08|SONNE|sonne"],
        "test": ["c-1|x|-1|-1|Signer04|WIND|wind", "c-2|x|-1|-1|Signer04|SCHNEE|schnee"],
    }
    for split, lines in rows.items():
        text = "\n".join([PHOENIX, *lines]) + "\n"
        (folder / f"PHOENIX-2014-T.{split}.corpus.csv").write_text(text, encoding="utf-8")
    return folder


@pytest.fixture
def poses(tmp_path):
    def build(*names):
        for name in names:
            path = tmp_path / "poses" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        return tmp_path / "poses"

    return build


def read(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_phoenix_has_glosses_sentences_signers_and_splits(phoenix, poses, tmp_path, prepare, experiment):
    folder, out = poses("train/a-1.pose", "dev/b-1.pose", "test/c-1.pose", "other.pose"), tmp_path / "phoenix.csv"
    found, (follow, check, train) = prepare("sign_pose", "phoenix", phoenix, folder, out)
    assert found == {
        **{"rows, train": "1", "rows, val": "1", "rows, test": "1", "signers": "2"},
        **{"left out, no file": "2", "files in no row": "1"},
    }
    rows, problems = list_rows(out, file_column="pose_path", ending=".pose")
    assert not problems
    assert [(row.file, row.gloss, row.signer, row.tags) for row in rows] == [
        ("train/a-1.pose", "REGEN IX", "Signer08", {"split": "train"}),
        ("dev/b-1.pose", "SONNE", "Signer08", {"split": "val"}),
        ("test/c-1.pose", "WIND", "Signer04", {"split": "test"}),
    ]
    assert rows[0].sentence == 'im "norden" regnet es , auch'
    signs = str(tmp_path / "phoenix")
    assert follow == ["jaxmm", "data", "prepare-sign", str(folder), "--csv", str(out), "--out", signs]
    assert check == ["jaxmm", "data", "check", signs]
    data = experiment(train).data
    assert isinstance(data.source, SignFolder) and data.text == "gloss" and data.root == signs


def test_how2sign_has_sentences_and_signers_by_its_names(poses, tmp_path, prepare, experiment):
    folder = tmp_path / "re_aligned"
    folder.mkdir()
    for split, name in (
        ("train", "--7E2sU6zP4_10-5-rgb_front"),
        ("val", "x_1-2-rgb_front"),
        ("test", "y_3-5-rgb_front"),
    ):
        row = f'v\tv-5\tv_1\t{name}\t1.5\t2.5\tHi, I\'m "Amelia".'
        (folder / f"how2sign_realigned_{split}.csv").write_text(f"{HOW2SIGN}\n{row}\n", encoding="utf-8")
    files = poses("--7E2sU6zP4_10-5-rgb_front.pose", "y_3-5-rgb_front.pose")
    found, (*_, train) = prepare("sign_pose", "how2sign", folder, files, tmp_path / "how2sign.csv")
    assert (found["rows, train"], found["rows, val"], found["signers"]) == ("1", "0", "1")
    first, second = list_rows(tmp_path / "how2sign.csv", file_column="pose_path", ending=".pose")[0]
    assert (first.sentence, first.gloss, first.signer) == ('Hi, I\'m "Amelia".', None, "5")
    assert second.tags == {"split": "test"}
    assert experiment(train).data.text == "sentence"


def test_the_table_is_one_that_prepare_sign_reads(phoenix, tmp_path, prepare, sound, experiment):
    pytest.importorskip("pose_format")
    from jaxmm.data.sign.pose_file import write_pose
    from jaxmm.data.sign.sources import ProceduralSigns

    clip = next(ProceduralSigns(num_glosses=8, takes=1, num_sentences=12, num_held_out=3).inventory(None).items())
    (tmp_path / "poses").mkdir()
    for name in ("a-1", "b-1", "c-1"):
        write_pose(tmp_path / "poses" / f"{name}.pose", clip.frames[:30], clip.fps)
    _, (follow, _, train) = prepare("sign_pose", "phoenix", phoenix, tmp_path / "poses", tmp_path / "phoenix.csv")
    assert '"clips": 3' in sound(follow)
    clips = list(experiment(train).data.source.inventory(tmp_path / "phoenix").items())
    assert [(clip.key, clip.gloss, clip.tags["split"]) for clip in clips] == [
        ("a-1", "REGEN IX", "train"),
        ("b-1", "SONNE", "val"),
        ("c-1", "WIND", "test"),
    ]
    assert np.isfinite(clips[0].frames).all()


def test_annotations_of_another_layout_are_refused(phoenix, poses, tmp_path, refused):
    out, files = tmp_path / "out.csv", poses("a-1.pose")

    def said(*words):
        return refused("sign_pose", *words)

    none = tmp_path / "none"
    assert "holds no file of the 5 rows, such as a-1.pose; extract" in said(
        "phoenix", phoenix, poses("x/z.pose").parent / "manual", out
    )
    assert "none: no such file or folder; name the folder of the .pose files" in said("phoenix", phoenix, none, out)
    assert "how2sign_realigned_train.csv: no such file or folder; copy it there" in said(
        "how2sign", phoenix, files, out
    )
    train = phoenix / "PHOENIX-2014-T.train.corpus.csv"
    text = train.read_text()
    train.write_text(text + "a-3|x|-1|-1|Signer01|ZU|viele|zellen\n")
    assert "train.corpus.csv:4: has 8 cells under 7 columns; repair the line" in said("phoenix", phoenix, files, out)
    train.write_text(text.replace("orth", "annotation"))
    assert "train.corpus.csv:1: columns are" in (message := said("phoenix", phoenix, files, out))
    assert "without orth; name another folder" in message
    train.write_text(text)
    assert "has the same name; keep one" in said("phoenix", phoenix, poses("again/a-1.pose"), out)
    (files / "again" / "a-1.pose").unlink()
    out.write_text("mine")
    assert "out.csv: is there already; name another to write" in said("phoenix", phoenix, files, out)
    assert out.read_text() == "mine"
