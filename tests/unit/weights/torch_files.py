"""Files as torch.save writes them, put together by hand: pickles opcode by opcode, and the zip around them."""

import io
import struct
import zipfile

import numpy as np

NO_HOOKS = b"ccollections\nOrderedDict\n)R"
STOP = b"."
# Values are the opcodes that make them.
NONE, TRUE, FALSE, EMPTY_TUPLE, EMPTY_DICT, EMPTY_LIST = b"N", b"\x88", b"\x89", b")", b"}", b"]"


def number(value: int) -> bytes:
    return b"J" + struct.pack("<i", value)


def large(value: int) -> bytes:
    return b"\x8a\x09" + value.to_bytes(9, "little", signed=True)


def text(value: str) -> bytes:
    return b"X" + struct.pack("<I", len(value.encode())) + value.encode()


def symbol(module: str, name: str) -> bytes:
    return f"c{module}\n{name}\n".encode()


def several(*items: bytes) -> bytes:
    """A tuple."""
    return b"(" + b"".join(items) + b"t"


def numbers(*values: int) -> bytes:
    return several(*(number(value) if abs(value) < 2**31 else large(value) for value in values))


def mapping(**items: bytes) -> bytes:
    return b"}(" + b"".join(text(key) + value for key, value in items.items()) + b"u"


def call(module: str, name: str, *arguments: bytes) -> bytes:
    return symbol(module, name) + several(*arguments) + b"R"


def storage(
    key: str = "0", length: int = 6, kind: str = "FloatStorage", module: str = "torch", view: bytes = b""
) -> bytes:
    return several(text("storage"), symbol(module, kind), text(key), text("cpu"), number(length), view) + b"Q"


def tensor(
    shape: tuple[int, ...] = (2, 3), strides: tuple[int, ...] = (3, 1), offset: int = 0, held: bytes | None = None
) -> bytes:
    where = numbers(offset)[1:-1]
    arguments = (held or storage(), where, numbers(*shape), numbers(*strides), FALSE, NO_HOOKS)
    return call("torch._utils", "_rebuild_tensor_v2", *arguments)


SIX = np.arange(6, dtype="<f4").tobytes()


def archive(
    content: bytes,
    storages: dict[str, bytes] | None = None,
    *,
    members: dict[str, bytes] | None = None,
    folder: str = "archive",
    order: bytes = b"little",
    method: int = zipfile.ZIP_STORED,
) -> bytes:
    """A file with a pickle, its storages (six numbers called "0" by default), and more members of any name."""
    parts = {
        f"{folder}/data.pkl": content,
        f"{folder}/byteorder": order,
        **{f"{folder}/data/{key}": held for key, held in ({"0": SIX} if storages is None else storages).items()},
        f"{folder}/version": b"3\n",
        **(members or {}),
    }
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as made:
        for name, part in parts.items():
            made.writestr(name, part)
    return file.getvalue()


def saved(value: bytes, storages: dict[str, bytes] | None = None, **more) -> bytes:
    """A file with one value, given as the opcodes that make it."""
    return archive(b"\x80\x02" + value + STOP, storages, **more)


def row(
    value: bytes,
    storages: dict[str, tuple[int, bytes]] | None = None,
    *,
    magic: bytes = b"\x8a\x0a" + 0x1950A86A20F9469CFC6C.to_bytes(10, "little"),
    order: bytes = TRUE,
    keys: bytes | None = None,
) -> bytes:
    """A file as torch wrote it before 1.6: pickles, then the length and the content of each storage."""
    storages = {"0": (6, SIX)} if storages is None else storages
    listed = b"]" + b"".join(text(key) + b"a" for key in storages) if keys is None else keys
    parts = (magic, number(1001), mapping(little_endian=order), value, listed)
    return b"".join(b"\x80\x02" + part + STOP for part in parts) + b"".join(
        struct.pack("<q", length) + content for length, content in storages.values()
    )


def old_tensor(**of_storage) -> bytes:
    return tensor(held=storage(view=NONE, **of_storage))
