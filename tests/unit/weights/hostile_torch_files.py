"""Files that cost whoever believes them all memory or time; run as a module, reads each within 256 MiB more."""

import json
import os
import resource
import struct
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from .torch_files import (
    EMPTY_DICT,
    EMPTY_LIST,
    NONE,
    SIX,
    large,
    number,
    numbers,
    old_tensor,
    row,
    saved,
    storage,
    tensor,
    text,
)

MIB = 2**20
MOST_BYTES = 256 * MIB
DEEP = 190_000


def put(place: int) -> bytes:
    return b"r" + struct.pack("<I", place)


def get(place: int) -> bytes:
    return b"j" + struct.pack("<I", place)


def doubling(depth: int) -> bytes:
    """A tuple of twice the same tuple, and so on: few opcodes, and more values than can be counted."""
    return NONE + b"".join(put(place) + get(place) + b"\x86" for place in range(depth))


def members(count: int) -> bytes:
    record = struct.pack("<4s6H3L5H2L", b"PK\x01\x02", *[0] * 9, 9, *[0] * 6)
    directory = b"".join(record + b"%09d" % place for place in range(count))
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, count & 0xFFFF, count & 0xFFFF, len(directory), 4, 0)
    return b"PK\x03\x04" + directory + end


def devices(count: int) -> bytes:
    """Many devices of one long name, each with its place put to it."""
    held = text("a" * MIB) + put(0) + b"ctorch\ndevice\n" + put(1) + b"("
    return saved(held + (get(1) + get(0) + b"K\x00\x86R") * count + b"t")


def many_arguments(count: int) -> bytes:
    """Many tensors made of one long list of arguments, most of which say nothing."""
    function, arguments = tensor()[:-2].split(b"(", 1)
    held = function + put(0) + b"(" + arguments + NONE * 100_000 + b"t" + put(1) + b"("
    return saved(held + (get(0) + get(1) + b"R") * count + b"t")


def many_views(count: int) -> bytes:
    """Many tensors of one storage of a megabyte."""
    views = (tensor((MIB // 4,), (1,), held=storage(length=MIB // 4)) for _ in range(count))
    return saved(b"(" + b"".join(views) + b"t", {"0": bytes(MIB)})


HOSTILE: dict[str, Callable[[], bytes]] = {
    "deep lists": lambda: saved(EMPTY_LIST * DEEP + b"a" * (DEEP - 1)),
    "deep tuples": lambda: saved(NONE + b"\x85" * DEEP),
    "deep dicts": lambda: saved((EMPTY_DICT + text("a")) * (DEEP // 2) + NONE + b"s" * (DEEP // 2)),
    "deep key": lambda: saved(EMPTY_DICT + NONE + b"\x85" * DEEP + NONE + b"s"),
    "deep persistent id": lambda: saved(NONE + b"\x85" * DEEP + b"Q"),
    "deep shape": lambda: saved(tensor(held=NONE + b"\x85" * DEEP)),
    "deep name": lambda: saved(NONE + b"\x85" * DEEP + text("a") + b"\x93"),
    "doubling": lambda: saved(doubling(100)),
    "doubling key": lambda: saved(EMPTY_DICT + doubling(100) + NONE + b"s"),
    "doubling persistent id": lambda: saved(doubling(100) + b"Q"),
    "doubling arguments": lambda: saved(b"ctorch\nSize\n" + doubling(100) + b"R"),
    "doubling shape": lambda: saved(tensor(held=doubling(100))),
    "list in itself": lambda: saved(EMPTY_LIST + put(0) + get(0) + b"a"),
    "dict in itself": lambda: saved(EMPTY_DICT + put(0) + text("a") + get(0) + b"s"),
    "long lists in long lists": lambda: saved(
        EMPTY_LIST
        + put(0)
        + b"("
        + NONE * 100_000
        + b"e"
        + b"".join(EMPTY_LIST + put(i) + b"(" + get(i - 1) * 20_000 + b"e" for i in range(1, 5))
    ),
    "many values": lambda: saved(b"(" + NONE * 8_000_000 + b"t"),
    "many marks": lambda: saved(b"(" * 8_000_000),
    "many lists": lambda: saved(b"(" + EMPTY_LIST * 399_000 + b"t"),
    "many dicts in the memo": lambda: saved(b"(" + (EMPTY_DICT + b"\x94") * 199_000 + b"t"),
    "memo of large places": lambda: saved(b"(" + b"".join(NONE + put(2**32 - 1 - i) for i in range(190_000)) + b"t"),
    "keys that collide": lambda: saved(
        EMPTY_DICT + b"(" + b"".join(large(i * (2**61 - 1)) + NONE for i in range(1, 100)) + b"u"
    ),
    "keys that collide by low bits": lambda: saved(
        EMPTY_DICT + b"(" + b"".join(number((i << 15) % 2**31) + NONE for i in range(120_000)) + b"u"
    ),
    "announced text": lambda: saved(b"X\xff\xff\xff\x7f"),
    "much text": lambda: saved(text("a" * (8 * MIB - 60) + "\U0001f483")),
    "large pickle": lambda: saved(text("a" * 9 * MIB)),
    "long name": lambda: saved(b"c" + b"a" * 8_000_000),
    "long stacked name": lambda: saved(text("a" * 4_000_000) + text("b" * 4_000_000) + b"\x93"),
    "long storage key": lambda: saved(tensor(held=storage("9" * 8_000_000))),
    "expanded tensor": lambda: saved(tensor((2**30,), (0,))),
    "expanded axes": lambda: saved(tensor((2,) * 32, (0,) * 32)),
    "empty tensor of long axes": lambda: saved(tensor((0, 2**31 - 1), (1, 1))),
    "announced storage": lambda: saved(tensor((2**31 - 1,), (1,), held=storage(length=2**31 - 1))),
    "tensor many times": lambda: saved(
        b"(" + tensor((MIB // 4,), (1,), held=storage(length=MIB // 4)) + put(0) + get(0) * 300_000 + b"t",
        {"0": bytes(MIB)},
    ),
    "many views": lambda: many_views(3000),
    "many long names of devices": lambda: devices(50_000),
    "many arguments": lambda: many_arguments(90_000),
    "storage as every type": lambda: saved(
        b"("
        + b"".join(
            tensor((1,), (1,), held=storage(length=8 * MIB, kind=kind))
            for kind in ("BoolStorage", "ByteStorage", "CharStorage")
        )
        + b"t",
        {"0": bytes(8 * MIB)},
    ),
    "many members": lambda: members(60_000),
    "more members than any file has": lambda: members(1_000_000),
    "enormous directory": lambda: b"PK\x03\x04" + struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 1, 1, 2**32 - 1, 0, 0),
    "inflates": lambda: saved(tensor(), {"0": bytes(50 * MIB)}, method=8),
    "announced member": lambda: saved(tensor()).replace(struct.pack("<2I", 24, 24), struct.pack("<2I", 2**31, 2**31)),
    "sparse": lambda: b"sparse",
    "older format of many values": lambda: row(b"(" + NONE * 8_000_000 + b"t"),
    "older format doubling": lambda: row(doubling(100)),
    "older format of an announced storage": lambda: row(old_tensor(length=2**31 - 1)),
    "older format of many keys": lambda: row(old_tensor(), keys=b"](" + text("0") * 190_000 + b"e"),
    "strides": lambda: saved(tensor(held=b"(" + numbers(*range(20_000)) * 3 + b"t"), {"0": SIX}),
}


def main() -> None:
    """Prints what became of each file, and how long it took."""
    from jaxmm.errors import JaxmmError
    from jaxmm.weights.torch_file import read_torch

    path = Path(tempfile.mkdtemp()) / "hostile.pt"
    results = {}
    for name, build in HOSTILE.items():
        path.write_bytes(build())
        if name == "sparse":
            os.truncate(path, 2**40)
        # What is taken from the system beyond what the libraries have already.
        taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (taken + MOST_BYTES, resource.RLIM_INFINITY))
        started = time.process_time()
        try:
            read_torch(path)
            outcome = "read"
        except JaxmmError as error:
            outcome = f"refused: {error}"
        except BaseException as error:
            outcome = f"raised {type(error).__name__}: {str(error)[:300]}"
        seconds = time.process_time() - started
        resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        results[name] = {"outcome": outcome, "seconds": round(seconds, 2)}
        print(name, results[name], file=sys.stderr, flush=True)
    path.unlink()
    path.parent.rmdir()
    print(json.dumps(results))


if __name__ == "__main__":
    main()
