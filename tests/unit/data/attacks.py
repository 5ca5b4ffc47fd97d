"""Hostile files, each read in a process of its own that measures what it costs; run as a script, it prints a report."""

import io
import json
import os
import pickle
import resource
import signal
import sys
import tarfile
import tempfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

MIB = 2**20
AMC_HEAD = ":DEGREES\n1\n"
ASF_HEAD = ":units\n length 1\n angle deg\n:root\n order TX TY TZ RX RY RZ\n:bonedata\n"
BVH_HEAD = "HIERARCHY\nROOT Hips\n{\nOFFSET 0 0 0\nCHANNELS 1 Xposition\n"
SKELETON = '{"joint_names": ["Hips", "Head"], "parents": [-1, 0]}'
ROW = '{"key": "walk", "text": "a walk", "fps": 20}'


class Payload:
    """Leaves a mark when it is unpickled."""

    def __reduce__(self) -> tuple[object, ...]:
        return (Path.touch, (Path("PWNED"),))


def npy(descr: str = "<f4", shape: str = "(4, 2, 3)", body: bytes = bytes(96)) -> bytes:
    header = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}}}".encode()
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + body


def long_header(length: int) -> bytes:
    return b"\x93NUMPY\x02\x00" + length.to_bytes(4, "little") + b" " * min(length, 200 * MIB)


def npz(members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()


def pickled_array() -> bytes:
    file = io.BytesIO()
    np.save(file, np.array([Payload()], object), allow_pickle=True)
    return file.getvalue()


def tar_slip() -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        member = tarfile.TarInfo("../PWNED")
        archive.addfile(member, io.BytesIO(b""))
    return file.getvalue()


def safetensors(header: object, body: bytes = b"", length: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return (len(text) if length is None else length).to_bytes(8, "little") + text + body


def bones(count: int) -> str:
    each = "".join(f" begin\n name b{n}\n direction 0 1 0\n length 1\n end\n" for n in range(count))
    chain = "".join(f" b{n - 1} b{n}\n" for n in range(1, count))
    return f"{ASF_HEAD}{each}:hierarchy\n begin\n root b0\n{chain} end\n"


def motion(folder: Path, **files: bytes | str) -> None:
    """A folder of arrays whose files are as given; names have `_` for a dot."""
    for name, content in ({"captions_jsonl": ROW, "skeleton_json": SKELETON} | files).items():
        write(folder / name.replace("_", "."), content)


def described(folder: Path, name: str, content: bytes | str, **files: bytes | str) -> None:
    write(folder / name, content)
    write(folder / "captions.jsonl", json.dumps({"file": name, "text": "a walk"}))
    for other, text in files.items():
        write(folder / other.replace("_", "."), text)


def write(path: Path, content: bytes | str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)


def humanml3d(folder: Path, text: bytes | str = "a#b#0#0", joints: bytes | None = None, names: str = "0") -> None:
    write(folder / "texts" / "0.txt", text)
    write(folder / "new_joints" / "0.npy", npy(shape="(50, 22, 3)", body=bytes(13200)) if joints is None else joints)
    write(folder / "train.txt", names)


def signs(folder: Path, **files: bytes | str) -> None:
    """A folder of signing whose files are as given."""
    table = "feature_path,sentence_gloss\nwalk.npy,WALK\n"
    usual = {"metadata_csv": table, "walk_npy": npy(shape="(4, 540)", body=bytes(8640))}
    for name, content in (usual | files).items():
        write(folder / name.replace("_", "."), content)


def letters(folder: Path, fps: object = 25, features: bytes | None = None) -> None:
    glyphs = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    rows = (f'{{"key": "{g}", "sentence_gloss": "{g}", "signed_language": "ase", "fps": {fps}}}' for g in glyphs)
    write(folder / "metadata.jsonl", "\n".join(rows))
    frames = npy(shape="(4, 540)", body=bytes(8640)) if features is None else features
    write(folder / "features540.npz", npz({f"{glyph}.npy": frames for glyph in glyphs}))


def segments(folder: Path, features: bytes | None = None, labels: bytes | str = "cut\n" * 8, **files: bytes) -> None:
    """A folder of one labelled video whose files are as given; names have `_` for a dot."""
    write(folder / "features" / "a.npy", npy(shape="(3, 8)") if features is None else features)
    write(folder / "groundTruth" / "a.txt", labels)
    write(folder / "splits" / "train.split1.bundle", files.pop("bundle", b"a.txt\n"))
    for name, content in ({"mapping_txt": b"0 cut\n"} | files).items():
        write(folder / name.replace("_", "."), content)


def fifo_labels(folder: Path) -> None:
    segments(folder)
    (folder / "groundTruth" / "a.txt").unlink()
    os.mkfifo(folder / "groundTruth" / "a.txt")


def loop(folder: Path, name: str) -> None:
    motion(folder)
    (folder / name).unlink(missing_ok=True)
    (folder / name).symlink_to(folder / name)


def fifo(folder: Path, name: str) -> None:
    motion(folder)
    (folder / name).unlink(missing_ok=True)
    os.mkfifo(folder / name)


def fifo_bvh(folder: Path) -> None:
    described(folder, "walk.bvh", "")
    (folder / "walk.bvh").unlink()
    os.mkfifo(folder / "walk.bvh")


def device(folder: Path) -> None:
    motion(folder)
    (folder / "captions.jsonl").unlink()
    (folder / "captions.jsonl").symlink_to("/dev/zero")


def directory_loop(folder: Path) -> None:
    described(folder, "walk.bvh", BVH_HEAD)
    (folder / "again").symlink_to(folder)


def sparse(folder: Path, name: str, head: bytes = b"") -> None:
    write(folder / name, head)
    os.truncate(folder / name, 2**40)


ARRAYS, BVH, AMC, C3D, HUMAN, SIGNS, LETTERS, WEIGHTS, CONFIG, INDEX, TOKENS, RUN, PACKED, SEGMENTS = range(14)
Attack = tuple[int, Callable[[Path], object]]

ATTACKS: dict[str, Attack] = {
    "npy 4 TiB header": (ARRAYS, lambda f: motion(f, walk_npy=npy(shape=f"({2**40}, 1, 1)"))),
    "npy 4 TiB sparse file": (ARRAYS, lambda f: (motion(f), sparse(f, "walk.npy", npy(shape=f"({2**36}, 5, 3)")))),
    "npy 200 MB header": (ARRAYS, lambda f: motion(f, walk_npy=long_header(200 * MIB))),
    "npy 4 GB header": (ARRAYS, lambda f: motion(f, walk_npy=long_header(2**32 - 1)[:100])),
    "npy code in header": (ARRAYS, lambda f: motion(f, walk_npy=npy(shape="__import__('os').mkdir('PWNED')"))),
    "npy deep header": (ARRAYS, lambda f: motion(f, walk_npy=npy(shape="(" * 9000))),
    "npy giant number": (ARRAYS, lambda f: motion(f, walk_npy=npy(shape=f"({'9' * 4000}, 1, 3)"))),
    "npy objects": (ARRAYS, lambda f: motion(f, walk_npy=pickled_array())),
    "npy is a pickle": (ARRAYS, lambda f: motion(f, walk_npy=pickle.dumps(Payload()))),
    "npy not finite": (ARRAYS, lambda f: motion(f, walk_npy=npy(body=b"\xff" * 96))),
    "npy nothing times much": (ARRAYS, lambda f: motion(f, walk_npy=npy(shape="(99999999999, 0, 3)", body=b""))),
    "npz 192 MB of zeros": (
        ARRAYS,
        lambda f: motion(f, walk_npz=npz({"joints.npy": npy(shape=f"({2**20}, 16, 3)", body=bytes(192 * MIB))})),
    ),
    "npz 200 MB header": (ARRAYS, lambda f: motion(f, walk_npz=npz({"joints.npy": long_header(200 * MIB)}))),
    "npz 60 MB of zeros": (
        ARRAYS,
        lambda f: motion(f, walk_npz=npz({"joints.npy": npy(shape="(2500000, 2, 3)", body=bytes(60_000_000))})),
    ),
    "npz objects": (ARRAYS, lambda f: motion(f, walk_npz=npz({"joints.npy": pickled_array()}))),
    "npz slip": (ARRAYS, lambda f: motion(f, walk_npz=npz({"../PWNED": b"", "joints.npy": npy()}))),
    "npz in lzma": (ARRAYS, lambda f: motion(f, walk_npz=npz({"joints.npy": npy()}, zipfile.ZIP_LZMA))),
    "npz in bzip2": (ARRAYS, lambda f: motion(f, walk_npz=npz({"joints.npy": npy()}, zipfile.ZIP_BZIP2))),
    "npz is a tar that slips": (ARRAYS, lambda f: motion(f, walk_npz=tar_slip())),
    "npz in npz": (ARRAYS, lambda f: motion(f, walk_npz=npz({"joints.npy": npz({"joints.npy": npy()})}))),
    "npz without its end": (ARRAYS, lambda f: motion(f, walk_npz=npz({"joints.npy": npy()})[:-30])),
    "npz of 60,000 members": (
        ARRAYS,
        lambda f: motion(f, walk_npz=npz(dict.fromkeys(map(str, range(60_000)), b""), zipfile.ZIP_STORED)),
    ),
    "npz with a huge directory": (
        ARRAYS,
        lambda f: motion(f, walk_npz=bytes(20 * MIB) + b"PK\5\6" + bytes(8) + b"\0\0\x40\1" + bytes(6)),
    ),
    "captions deep": (ARRAYS, lambda f: motion(f, captions_jsonl="[" * 900_000)),
    "captions deep objects": (ARRAYS, lambda f: motion(f, captions_jsonl='{"a":' * 200_000)),
    "captions giant number": (ARRAYS, lambda f: motion(f, captions_jsonl=ROW.replace("20", "9" * 4000))),
    "captions enormous number": (ARRAYS, lambda f: motion(f, captions_jsonl=ROW.replace("20", "9" * 900_000))),
    "captions infinite number": (ARRAYS, lambda f: motion(f, captions_jsonl=ROW.replace("20", "1e999"))),
    "captions NUL": (ARRAYS, lambda f: motion(f, captions_jsonl=ROW.replace("walk", "wa\\u0000lk", 1))),
    "captions surrogate": (ARRAYS, lambda f: motion(f, captions_jsonl=ROW.replace("walk", "\\ud800", 1))),
    "captions traversal": (ARRAYS, lambda f: motion(f, captions_jsonl=ROW.replace("walk", "../../etc/passwd", 1))),
    "captions absolute": (ARRAYS, lambda f: motion(f, captions_jsonl=ROW.replace("walk", "/etc/passwd", 1))),
    "captions invalid UTF-8": (ARRAYS, lambda f: motion(f, captions_jsonl=b"\xff\xfe" + ROW.encode())),
    "captions one endless line": (ARRAYS, lambda f: motion(f, captions_jsonl=b" " * (90 * MIB))),
    "captions of empty lines": (ARRAYS, lambda f: motion(f, captions_jsonl=b"\n" * (90 * MIB))),
    "captions 1 TiB sparse": (ARRAYS, lambda f: (motion(f), sparse(f, "captions.jsonl"))),
    "captions of junk": (ARRAYS, lambda f: motion(f, captions_jsonl=f'{{"key": "a", "x": [{"[]," * 300_000}[]]}}')),
    "captions symlink loop": (ARRAYS, lambda f: loop(f, "captions.jsonl")),
    "captions FIFO": (ARRAYS, lambda f: fifo(f, "captions.jsonl")),
    "captions device": (ARRAYS, device),
    "array FIFO": (ARRAYS, lambda f: fifo(f, "walk.npy")),
    "array symlink loop": (ARRAYS, lambda f: loop(f, "walk.npy")),
    "archive FIFO": (ARRAYS, lambda f: fifo(f, "motions.npz")),
    "skeleton FIFO": (ARRAYS, lambda f: (fifo(f, "skeleton.json"), write(f / "walk.npy", npy()))),
    "skeleton deep": (ARRAYS, lambda f: motion(f, skeleton_json="[" * 8_000_000)),
    "skeleton of junk": (ARRAYS, lambda f: motion(f, skeleton_json=f"[{'{},' * 2_700_000}0]")),
    "bvh deep": (BVH, lambda f: described(f, "walk.bvh", BVH_HEAD + "JOINT a\n{\nOFFSET 0 0 0\n" * 100_000)),
    "bvh many joints": (
        BVH,
        lambda f: described(
            f,
            "walk.bvh",
            BVH_HEAD
            + "".join(f"JOINT j{n}\n{{\nOFFSET 0 0 0\nCHANNELS 0\n}}\n" for n in range(1000))
            + "}\nMOTION\nFrames: 200000\nFrame Time: 0.01\n"
            + "0\n" * 200_000,
        ),
    ),
    "bvh endless line": (BVH, lambda f: described(f, "walk.bvh", BVH_HEAD + "}\nMOTION\n" + "0 " * (45 * MIB))),
    "bvh FIFO": (BVH, fifo_bvh),
    "bvh directory loop": (BVH, directory_loop),
    "bvh traversal": (BVH, lambda f: described(f, "walk.bvh", "", captions_jsonl='{"file":"../a.bvh","text":"a"}')),
    "bvh NUL in its name": (
        BVH,
        lambda f: described(f, "walk.bvh", "", captions_jsonl='{"file":"a\\u0000.bvh","text":"a"}'),
    ),
    "asf deep": (AMC, lambda f: described(f, "walk.amc", AMC_HEAD + "root 0 0 0 0 0 0", walk_asf=bones(1000))),
    "asf too many bones": (AMC, lambda f: described(f, "walk.amc", AMC_HEAD, walk_asf=bones(20_000))),
    "asf circle": (
        AMC,
        lambda f: described(f, "walk.amc", AMC_HEAD, walk_asf=bones(2).replace("b0 b1", "b0 b1\n b1 b0")),
    ),
    "asf giant lengths": (
        AMC,
        lambda f: described(f, "walk.amc", AMC_HEAD, walk_asf=bones(2).replace("length 1", "length 1e308")),
    ),
    "amc frames of nothing": (
        AMC,
        lambda f: described(f, "walk.amc", "\n".join(map(str, range(1, 300_000))), walk_asf=bones(900)),
    ),
    "amc unusual digits": (AMC, lambda f: described(f, "walk.amc", "\u0661\nroot 0 0 0 0 0 \u0662", walk_asf=bones(1))),
    "c3d of zeros": (C3D, lambda f: described(f, "walk.c3d", b"\2\x50" + bytes(MIB))),
    "c3d of ones": (C3D, lambda f: described(f, "walk.c3d", b"\2\x50" + b"\xff" * 65_536)),
    "c3d is a pickle": (C3D, lambda f: described(f, "walk.c3d", pickle.dumps(Payload()))),
    "texts endless fields": (HUMAN, lambda f: humanml3d(f, text="#" * MIB)),
    "texts many parts": (HUMAN, lambda f: humanml3d(f, text="".join(f"a#b#0.{n}#2\n" for n in range(1, 50_000)))),
    "texts giant number": (HUMAN, lambda f: humanml3d(f, text=f"a#b#0#{'9' * 900_000}")),
    "texts byte order mark and CRLF": (HUMAN, lambda f: humanml3d(f, text=b"\xef\xbb\xbfa#b#0#0\r\nc#d#0#0\r\n")),
    "splits traversal": (HUMAN, lambda f: humanml3d(f, names="../../etc/passwd")),
    "splits NUL": (HUMAN, lambda f: humanml3d(f, names="a\0b")),
    "joints objects": (HUMAN, lambda f: humanml3d(f, joints=pickled_array())),
    "signs table of one quote": (
        SIGNS,
        lambda f: signs(f, metadata_csv=b'feature_path,gloss\n"' + b"a\n" * (30 * MIB)),
    ),
    "signs table 1 TiB sparse": (SIGNS, lambda f: (signs(f), sparse(f, "metadata.csv"))),
    "signs table of commas": (SIGNS, lambda f: signs(f, metadata_csv="feature_path,gloss\n" + "," * 900_000)),
    "signs table of columns": (
        SIGNS,
        lambda f: signs(f, metadata_csv=f"feature_path,gloss{''.join(f',c{n}' for n in range(100_000))}\n"),
    ),
    "signs traversal": (SIGNS, lambda f: signs(f, metadata_csv="feature_path,gloss\n../../etc/passwd.npy,A\n")),
    "signs NUL": (SIGNS, lambda f: signs(f, metadata_csv="feature_path,gloss\na\0.npy,A\n")),
    "signs table FIFO": (SIGNS, lambda f: (signs(f), (f / "metadata.csv").unlink(), os.mkfifo(f / "metadata.csv"))),
    "signs 4 TiB header": (SIGNS, lambda f: signs(f, walk_npy=npy(shape=f"({2**40}, 540)"))),
    "signs huge numbers": (SIGNS, lambda f: signs(f, walk_npy=npy(shape="(4, 540)", body=b"\xff\xff\x7f\x7f" * 2160))),
    "signs statistics objects": (SIGNS, lambda f: signs(f, statistics_npz=npz({"feature_mean.npy": pickled_array()}))),
    "letters deep": (LETTERS, lambda f: (letters(f), write(f / "metadata.jsonl", "[" * 900_000))),
    "letters ever so slow": (LETTERS, lambda f: letters(f, 1, npy(shape="(5000, 540)", body=bytes(10_800_000)))),
    "letters objects": (LETTERS, lambda f: letters(f, features=pickled_array())),
    "letters enormous rate": (LETTERS, lambda f: letters(f, fps="9" * 4000)),
    "segments 4 TiB header": (SEGMENTS, lambda f: segments(f, npy(shape=f"(3, {2**40 - 1})"))),
    "segments 4 TiB sparse file": (
        SEGMENTS,
        lambda f: (segments(f), sparse(f / "features", "a.npy", npy(shape=f"(3, {2**36})"))),
    ),
    "segments objects": (SEGMENTS, lambda f: segments(f, pickled_array())),
    "segments not finite": (SEGMENTS, lambda f: segments(f, npy(shape="(3, 8)", body=b"\xff" * 96))),
    "segments labels all unknown": (SEGMENTS, lambda f: segments(f, labels="\n".join(map(str, range(1_500_000))))),
    "segments labels one endless line": (SEGMENTS, lambda f: segments(f, labels=b"a" * (90 * MIB))),
    "segments labels FIFO": (SEGMENTS, fifo_labels),
    "segments bundle traversal": (SEGMENTS, lambda f: segments(f, bundle=b"../../etc/passwd\n")),
    "segments bundle NUL": (SEGMENTS, lambda f: segments(f, bundle=b"a\0b\n")),
    "segments bundle of lines": (SEGMENTS, lambda f: segments(f, bundle="\n".join(map(str, range(900_000))).encode())),
    "segments bundle of one name": (SEGMENTS, lambda f: segments(f, bundle=b"a\n" * 900_000)),
    "segments mapping giant number": (SEGMENTS, lambda f: segments(f, mapping_txt=b"9" * 900_000 + b" cut\n")),
    "segments mapping far number": (SEGMENTS, lambda f: segments(f, mapping_txt=b"999999999 cut\n")),
    "segments mapping 1 TiB sparse": (SEGMENTS, lambda f: (segments(f), sparse(f, "mapping.txt"))),
    "segments descriptions of quotes": (
        SEGMENTS,
        lambda f: (segments(f), write(f / "x_description.txt", b"cut " + b'"' * 1_000_000)),
    ),
    "weights 16 EiB header": (WEIGHTS, lambda f: write(f / "model.safetensors", b"\xff" * 64)),
    "weights deep header": (WEIGHTS, lambda f: write(f / "model.safetensors", safetensors(b"[" * 4_000_000))),
    "weights overlapping": (
        WEIGHTS,
        lambda f: write(
            f / "model.safetensors",
            safetensors({"a": {"dtype": "F32", "shape": [2**40], "data_offsets": [0, 2**42]}}, bytes(64)),
        ),
    ),
    "weights are a pickle": (WEIGHTS, lambda f: write(f / "model.safetensors", pickle.dumps(Payload()))),
    "weights FIFO": (WEIGHTS, lambda f: os.mkfifo(f / "model.safetensors")),
    "config deep": (CONFIG, lambda f: write(f / "config.json", "[" * 4_000_000)),
    "config giant number": (CONFIG, lambda f: write(f / "config.json", f'{{"dim": {"9" * 1_000_000}}}')),
    "config 1 TiB sparse": (CONFIG, lambda f: sparse(f, "config.json")),
    "index FIFO": (INDEX, lambda f: os.mkfifo(f / "index.safetensors")),
    "index deep values": (
        INDEX,
        lambda f: write(
            f / "index.safetensors",
            safetensors({"__metadata__": {"format": "jaxmm-index-1", "values": "[" * 500_000}}),
        ),
    ),
    "tokenizer deep": (TOKENS, lambda f: write(f / "tokenizer.json", "[" * 4_000_000)),
    "tokenizer 1 TiB sparse": (TOKENS, lambda f: sparse(f, "tokenizer.json")),
    "experiment deep": (RUN, lambda f: write(f / "config.json", "[" * 4_000_000)),
    "experiment names a command": (
        RUN,
        lambda f: write(f / "config.json", '{"class": "os.mkdir", "path": "PWNED"}'),
    ),
    "experiment deep objects": (RUN, lambda f: write(f / "config.json", '{"a":' * 900 + "1" + "}" * 900)),
    "packed deep": (PACKED, lambda f: (write(f / "meta.json", "[" * 4_000_000), write(f / "frames.f32", bytes(12)))),
    "packed giant counts": (
        PACKED,
        lambda f: (
            write(
                f / "meta.json",
                '{"fps": 1, "about": {"joint_names": ["a"], "parents": [-1]}, '
                '"clips": {"a": {"num_frames": 1e300, "digest": "", "note": {}}}}',
            ),
            write(f / "frames.f32", bytes(12)),
        ),
    ),
}


def read(kind: int, folder: Path) -> object:
    from jaxmm.data import sources
    from jaxmm.data.packed import open_packed
    from jaxmm.data.segmentation.check import check_segments
    from jaxmm.data.segmentation.sources import SegmentationFolder
    from jaxmm.data.sign.check import check_signs
    from jaxmm.data.sign.sources import SignFolder, SpelledWords
    from jaxmm.data.text import CaptionTokenizer
    from jaxmm.experiment import read_experiment
    from jaxmm.motions.index import Index
    from jaxmm.weights.files import read_config, read_tensors

    readers: dict[int, Callable[[], object]] = {
        ARRAYS: lambda: sum(motion.num_frames for motion in sources.MotionFolder().inventory(folder).items()),
        BVH: lambda: sum(motion.num_frames for motion in sources.BvhFolder().inventory(folder).items()),
        AMC: lambda: sum(motion.num_frames for motion in sources.AmcFolder().inventory(folder).items()),
        C3D: lambda: sum(motion.num_frames for motion in sources.C3dFolder().inventory(folder).items()),
        HUMAN: lambda: sum(motion.num_frames for motion in sources.HumanMl3dFolder().inventory(folder).items()),
        SIGNS: lambda: len(check_signs(SignFolder(), folder).problems),
        LETTERS: lambda: len(check_signs(SpelledWords(num_words=1, speed=0.1), folder).problems),
        WEIGHTS: lambda: read_tensors(folder),
        CONFIG: lambda: read_config(folder),
        INDEX: lambda: Index.read(folder / "index.safetensors"),
        TOKENS: lambda: CaptionTokenizer.read(folder, max_tokens=8),
        RUN: lambda: read_experiment(folder / "config.json"),
        PACKED: lambda: open_packed(folder),
        SEGMENTS: lambda: len(check_segments(SegmentationFolder(), folder).problems),
    }
    return readers[kind]()


def attack(name: str) -> dict[str, object]:
    """Reads one hostile folder in a child process with bounded memory and time."""
    kind, build = ATTACKS[name]
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "inner"
        folder.mkdir()
        build(folder)
        results, writer = os.pipe()
        if (child := os.fork()) == 0:
            os.chdir(folder)
            os.write(writer, _outcome(kind, folder).encode(errors="backslashreplace")[:4000])
            os._exit(0)
        os.close(writer)
        _, status, used = os.wait4(child, 0)
        outcome = os.read(results, 4000).decode(errors="replace") or f"died with status {status}"
        os.close(results)
        executed = any((place / "PWNED").exists() for place in (folder, folder.parent))
    own = int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
    return {
        "outcome": outcome,
        "executed": executed,
        "seconds": round(used.ru_utime + used.ru_stime, 2),
        "mib": max(0, round((used.ru_maxrss * 1024 - own) / MIB)),
    }


def _outcome(kind: int, folder: Path) -> str:
    signal.alarm(20)
    from jaxmm.errors import JaxmmError

    try:
        read(kind, folder)
    except JaxmmError as error:
        return f"refused: {error}"
    except BaseException as error:
        return f"raised {type(error).__name__}: {str(error)[:300]}"
    return "read"


def main() -> None:
    """Prints the result of every attack as one JSON object."""
    import warnings
    from importlib import import_module

    # Imported before the processes part, so that each measures its reader alone.
    for module in ("c3d", "safetensors.numpy", "jaxmm.experiment", "jaxmm.motions.index", "jaxmm.weights.files"):
        import_module(module)
    warnings.simplefilter("ignore")
    started = time.perf_counter()
    chosen = sys.argv[1:] or list(ATTACKS)
    results = {}
    for name in chosen:
        results[name] = attack(name)
        print(f"{name}: {results[name]}", file=sys.stderr, flush=True)
    print(json.dumps(results))
    print(f"{len(results)} attacks in {time.perf_counter() - started:.0f} s", file=sys.stderr)


if __name__ == "__main__":
    main()
