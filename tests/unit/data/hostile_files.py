"""Folders of every format that is read, of which one file is as an attacker would have it."""

import io
import json
import os
import tarfile
import zipfile
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
