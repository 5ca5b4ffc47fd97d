"""Whatever the bytes of a file, a reader reads it or refuses it with an error that says so."""

import json
import shutil
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jaxmm.data.motion import Motion, Skeleton
from jaxmm.data.motion_text import MotionText
from jaxmm.data.packed import open_packed, pack
from jaxmm.data.pairs import list_pairs
from jaxmm.data.segmentation.check import check_segments
from jaxmm.data.segmentation.sources import SegmentationFolder, write_segmentation_folder
from jaxmm.data.segmentation.video import LabelledVideo
from jaxmm.data.segmentation.vocabulary import Vocabulary
from jaxmm.data.sign.check import check_signs
from jaxmm.data.sign.clip import SignClip
from jaxmm.data.sign.folder import write_sign_folder
from jaxmm.data.sign.sources import SignFolder, SpelledWords
from jaxmm.data.sign.statistics import Statistics
from jaxmm.data.sources import AmcFolder, BvhFolder, C3dFolder, HumanMl3dFolder, MotionFolder
from jaxmm.data.splits import TagSplit
from jaxmm.data.text import CaptionTokenizer
from jaxmm.errors import JaxmmError
from jaxmm.experiment import Experiment, read_experiment, write_experiment
from jaxmm.motions.index import Index
from jaxmm.tasks.dance_text import DanceTextTask
from jaxmm.weights.files import read_config, read_tensors, write_checkpoint
from jaxmm.weights.label_embeddings import read_label_embeddings, write_label_embeddings
from jaxmm.weights.torch_file import read_torch

from ..weights.torch_files import archive as torch_archive
from ..weights.torch_files import mapping, number, saved, tensor
from .acclaim_files import AMC, ASF
from .c3d_files import c3d_file

JOINTS = np.random.default_rng(0).normal(size=(4, 2, 3)).astype(np.float32)
SKELETON = Skeleton(joint_names=("Hips", "Head"), parents=(-1, 0))
STILL = Motion(key="walk", positions=JOINTS, fps=10.0, skeleton=SKELETON, captions=("a walk",))
BVH = (
    "HIERARCHY\nROOT Hips\n{\n OFFSET 1 2 3\n CHANNELS 6 Xposition Yposition Zposition Zrotation Xrotation Yrotation\n"
    " JOINT Tip\n {\n  OFFSET 1 2 3\n  CHANNELS 1 Xrotation\n  End Site\n  {\n   OFFSET 0 1 0\n  }\n }\n}\n"
    "MOTION\nFrames: 2\nFrame Time: 0.05\n0 0 0 0 0 0 0\n1 2 3 40 50 60 70\n"
)
TOKENS = [
    *(b"{", b"}", b"[", b"]", b'"', b",", b":", b"#", b"\n", b"\r", b"\0", b" ", b"-", b"1e308", b"nan", b"1e999"),
    *(b"9" * 30, b"null", b"true", b"\xff\xfe", b"\xef\xbb\xbf", b"\xed\xa0\x80", b"../", b"begin", b"end", b"root"),
    *(b"\xff\xff\xff\xff", b"\0\0\0\x80", b"[" * 3000, b'{"a":' * 3000),
]


def _captions(folder: Path, row: dict[str, object]) -> None:
    (folder / "captions.jsonl").write_text(json.dumps({"text": "a walk", **row}) + "\n")


def bvh(folder: Path) -> None:
    (folder / "walk.bvh").write_text(BVH)
    _captions(folder, {"file": "walk.bvh"})


def acclaim(folder: Path) -> None:
    (folder / "walk.amc").write_text(AMC)
    (folder / "walk.asf").write_text(ASF)
    _captions(folder, {"file": "walk.amc"})


def c3d(folder: Path) -> None:
    (folder / "walk.c3d").write_bytes(c3d_file(JOINTS, ["HIPS", "HEAD"]))
    _captions(folder, {"file": "walk.c3d"})


def humanml3d(folder: Path) -> None:
    (folder / "new_joints").mkdir()
    (folder / "texts").mkdir()
    np.save(folder / "new_joints" / "0.npy", np.ones((50, 22, 3), np.float32))
    (folder / "texts" / "0.txt").write_text("a walk#a/DET walk/NOUN#0.0#0.0\nturning#turn/VERB#0.0#2.1\n")
    (folder / "train.txt").write_text("0\n")


def arrays(folder: Path) -> None:
    np.save(folder / "walk.npy", JOINTS)
    (folder / "skeleton.json").write_text(json.dumps({"joint_names": ["Hips", "Head"], "parents": [-1, 0]}))
    _captions(folder, {"key": "walk", "fps": 20})


def archive(folder: Path) -> None:
    names, parents = np.array(SKELETON.joint_names), np.array(SKELETON.parents)
    joints = {"walk/joints": JOINTS, "walk/root": JOINTS[:, 0]}
    np.savez_compressed(folder / "motions.npz", allow_pickle=False, joint_names=names, parents=parents, **joints)
    _captions(folder, {"key": "walk", "fps": 20})


def signs(folder: Path) -> None:
    frames = np.ones((20, 540), np.float32)
    write_sign_folder([SignClip(key="walk", frames=frames, fps=25.0, gloss="WALK", tags={"split": "train"})], folder)
    Statistics.neutral().write(folder / "statistics.npz")


def letters(folder: Path) -> None:
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    rows = ({"key": glyph, "sentence_gloss": glyph, "signed_language": "ase", "fps": 25} for glyph in alphabet)
    (folder / "metadata.jsonl").write_text("\n".join(map(json.dumps, rows)))
    np.savez_compressed(
        folder / "features540.npz",
        **{glyph: np.full((9, 540), place, np.float32) for place, glyph in enumerate(alphabet)},
    )


def segments(folder: Path) -> None:
    labels = np.array([0, 0, 1, 1, 1, 0, 0, 0], np.int32)
    videos = (
        LabelledVideo(
            key=key,
            features=np.random.default_rng(place).normal(size=(8, 2)).astype(np.float32),
            labels=labels,
            fps=15.0,
            tags={"split": split},
        )
        for place, (key, split) in enumerate((("a", "train"), ("b", "train"), ("c", "test")))
    )
    write_segmentation_folder(videos, Vocabulary.of(["cut", "null"]), folder)


def pairs(folder: Path) -> None:
    (folder / "pairs.csv").write_text("a,b,label,kind\na.mp4,b.mp4,1,cropped\nc.mp4,a.mp4,0,unrelated\n")


def packed(folder: Path) -> None:
    pack([STILL], folder / "packed", fps=10.0)


def tokenizer(folder: Path) -> None:
    CaptionTokenizer.of_words(["a walk"], max_tokens=8).write(folder)


def index(folder: Path) -> None:
    eye = np.eye(2, dtype=np.float32)
    Index(
        motion=eye, text=eye, relevant=eye.astype(bool), frames=JOINTS.astype(np.float16), offsets=np.array([0, 1, 4]),
        keys=("a", "b"), captions=("c", "d"), split="test", fps=20.0, skeleton=SKELETON, digest="",
    ).write(folder / "index.safetensors")  # fmt: skip


def checkpoint(folder: Path) -> None:
    write_checkpoint(folder, {"lin.weight": np.ones((2, 3), np.float32)}, {"model_type": "bert"})


def torch_save(folder: Path) -> None:
    content = mapping(kernel=tensor(), turned=tensor((3, 2), (1, 3)), epoch=number(3))
    (folder / "saved.pt").write_bytes(saved(content))
    (folder / "data.pkl").write_bytes(b"\x80\x02" + content + b".")


def label_embeddings(folder: Path) -> None:
    for ending in ("npz", "safetensors"):
        write_label_embeddings(folder / f"labels.{ending}", {"cut": np.ones(4), "mix": np.arange(4.0)})
    (folder / "labels.pt").write_bytes(saved(mapping(cut=tensor((6,), (1,)), mix=tensor((6,), (1,)))))


def experiment(folder: Path) -> None:
    write_experiment(Experiment(task=DanceTextTask(), data=MotionText()), folder / "config.json")


def _use_index(folder: Path) -> object:
    found = Index.read(folder / "index.safetensors")
    return [found.positions(place) for place in range(len(found.keys))]


def _use_packed(folder: Path) -> object:
    found = open_packed(folder / "packed")
    return [found.motion(place) for place in range(len(found))]


def _use_pairs(folder: Path) -> object:
    found, problems = list_pairs(folder / "pairs.csv", videos={"a.mp4", "b.mp4", "c.mp4"})
    assert found or problems
    assert all("pairs.csv" in problem.message and len(problem.message) < 3000 for problem in problems)
    return found


def _use_tokenizer(folder: Path) -> object:
    return CaptionTokenizer.read(folder, max_tokens=8)(["a walk"])


def _use_pickle(folder: Path) -> object:
    """Reads a pickle in a sound archive, whose checksums would otherwise meet all damage first."""
    (folder / "rezipped.pt").write_bytes(torch_archive((folder / "data.pkl").read_bytes()))
    return read_torch(folder / "rezipped.pt")


def _use_signs(source: SignFolder | SpelledWords) -> Callable[[Path], object]:
    """Checks a folder, which goes on over anything, and reads it, which stops at the first problem."""

    def use(folder: Path) -> object:
        report = check_signs(source, folder, split=TagSplit(), text="gloss")
        assert all(len(problem.message) < 3000 for problem in report.problems)
        return [clip.num_frames for clip in source.inventory(folder).items()]

    return use


def _use_segments(source: SegmentationFolder) -> Callable[[Path], object]:
    """Checks a folder, which goes on over anything, and reads it, which stops at the first problem."""

    def use(folder: Path) -> object:
        report = check_segments(source, folder)
        assert all(len(problem.message) < 3000 for problem in report.problems)
        return [video.num_frames for video in source.inventory(folder).items()]

    return use


TARGETS: dict[str, tuple[Callable[[Path], None], str, Callable[[Path], object]]] = {
    "bvh": (bvh, "walk.bvh", lambda folder: list(BvhFolder().inventory(folder).items())),
    "amc": (acclaim, "walk.amc", lambda folder: list(AmcFolder().inventory(folder).items())),
    "asf": (acclaim, "walk.asf", lambda folder: list(AmcFolder().inventory(folder).items())),
    "c3d": (c3d, "walk.c3d", lambda folder: list(C3dFolder(missing="interpolate").inventory(folder).items())),
    "texts": (humanml3d, "texts/0.txt", lambda folder: list(HumanMl3dFolder().inventory(folder).items())),
    "splits": (humanml3d, "train.txt", lambda folder: list(HumanMl3dFolder().inventory(folder).items())),
    "captions": (arrays, "captions.jsonl", lambda folder: list(MotionFolder().inventory(folder).items())),
    "files": (bvh, "captions.jsonl", lambda folder: list(BvhFolder().inventory(folder).items())),
    "skeleton": (arrays, "skeleton.json", lambda folder: list(MotionFolder().inventory(folder).items())),
    "npy": (arrays, "walk.npy", lambda folder: list(MotionFolder().inventory(folder).items())),
    "npz": (archive, "motions.npz", lambda folder: list(MotionFolder().inventory(folder).items())),
    "signs table": (signs, "metadata.csv", _use_signs(SignFolder())),
    "signs array": (signs, "walk.npy", _use_signs(SignFolder())),
    "signs statistics": (signs, "statistics.npz", _use_signs(SignFolder())),
    "letters": (letters, "metadata.jsonl", _use_signs(SpelledWords(num_words=2))),
    "letters archive": (letters, "features540.npz", _use_signs(SpelledWords(num_words=2))),
    "segments features": (segments, "features/a.npy", _use_segments(SegmentationFolder(dim=(2,)))),
    "segments features alone": (segments, "features/a.npy", _use_segments(SegmentationFolder(tolerance=3))),
    "segments labels": (segments, "groundTruth/a.txt", _use_segments(SegmentationFolder(tolerance=3))),
    "segments mapping": (segments, "mapping.txt", _use_segments(SegmentationFolder())),
    "segments descriptions": (segments, "action_description.txt", _use_segments(SegmentationFolder())),
    "segments bundle": (segments, "splits/train.split1.bundle", _use_segments(SegmentationFolder())),
    "pairs": (pairs, "pairs.csv", _use_pairs),
    "packed meta": (packed, "packed/meta.json", _use_packed),
    "packed frames": (packed, "packed/frames.f32", _use_packed),
    "tokenizer": (tokenizer, "tokenizer.json", _use_tokenizer),
    "index": (index, "index.safetensors", _use_index),
    "weights config": (checkpoint, "config.json", read_config),
    "weights": (checkpoint, "model.safetensors", read_tensors),
    "torch": (torch_save, "saved.pt", lambda folder: read_torch(folder / "saved.pt")),
    "torch pickle": (torch_save, "data.pkl", _use_pickle),
    **{
        f"label embeddings {ending}": (
            label_embeddings,
            f"labels.{ending}",
            lambda folder, ending=ending: read_label_embeddings(folder / f"labels.{ending}"),
        )
        for ending in ("pt", "npz", "safetensors")
    },
    "experiment": (experiment, "config.json", lambda folder: read_experiment(folder / "config.json")),
}


@st.composite
def damaged(draw: st.DrawFn, content: bytes) -> bytes:
    """The bytes of a valid file with some of them changed, removed, repeated or inserted."""
    changed = bytearray(content)
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, max(0, len(changed) - 1)))
        match draw(st.sampled_from(["flip", "cut", "insert", "token", "end", "repeat"])):
            case "flip" if changed:
                changed[place] ^= 1 << draw(st.integers(0, 7))
            case "cut":
                del changed[place : place + draw(st.integers(1, 40))]
            case "insert":
                changed[place:place] = draw(st.binary(min_size=1, max_size=6))
            case "token":
                token = draw(st.sampled_from(TOKENS))
                changed[place : place + draw(st.integers(0, len(token)))] = token
            case "end":
                del changed[place:]
            case "repeat":
                changed[place:place] = changed[place : place + draw(st.integers(1, 60))]
    return bytes(changed)


def read_damaged(name: str, max_examples: int) -> int:
    """Reads a file with many kinds of damage; returns how many were read or refused."""
    build, file, read = TARGETS[name]
    folder = Path(tempfile.mkdtemp())
    build(folder)
    content = (folder / file).read_bytes()
    read(folder)

    answered = []

    @settings(max_examples=max_examples, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(st.binary(max_size=200) | damaged(content))
    def attempt(found: bytes) -> None:
        (folder / file).write_bytes(found)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            try:
                read(folder)
            except JaxmmError as error:
                assert len(str(error)) < 3000
        answered.append(found)

    try:
        attempt()
    finally:
        shutil.rmtree(folder)
    return len(answered)


@pytest.mark.parametrize("name", TARGETS)
def test_damaged_bytes_are_read_or_refused(name: str) -> None:
    assert read_damaged(name, 20) >= 20


@pytest.mark.faults
@pytest.mark.parametrize("name", TARGETS)
def test_much_damage_is_read_or_refused(name: str) -> None:
    assert read_damaged(name, 2000) >= 2000
