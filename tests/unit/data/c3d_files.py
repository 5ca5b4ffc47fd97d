"""C3D files written byte by byte from the format's description, so that no reader's mistake can hide."""

import struct

import numpy as np


def parameter(group: int, name: str, kind: int, dimensions: tuple[int, ...], data: bytes) -> bytes:
    """A parameter: kind is the bytes of an element, -1 for text."""
    body = bytes([kind & 0xFF, len(dimensions), *dimensions]) + data + b"\0"
    return struct.pack("<bb", len(name), group) + name.encode() + struct.pack("<h", len(body) + 2) + body


def group(number: int, name: str) -> bytes:
    """A group of parameters."""
    return struct.pack("<bb", len(name), -number) + name.encode() + struct.pack("<h", 3) + b"\0"


def texts(values: list[str], width: int = 16) -> bytes:
    """Padded text of a parameter."""
    return b"".join(value.encode().ljust(width) for value in values)


def c3d_file(
    points: np.ndarray,
    labels: list[str],
    *,
    residuals: np.ndarray | None = None,
    units: str = "mm",
    rate: float = 100.0,
    last_frame: int | None = None,
) -> bytes:
    """A file of floating-point points (time, points, 3); residuals below zero mark points that were not seen."""
    num_frames, num_points = points.shape[:2]
    residuals = np.zeros((num_frames, num_points)) if residuals is None else residuals
    last = num_frames if last_frame is None else last_frame
    block = bytearray(b"\1\x50\0\x54")  # the processor is Intel's
    block += group(1, "POINT")
    block += parameter(1, "USED", 2, (), struct.pack("<H", num_points))
    block += parameter(1, "SCALE", 4, (), struct.pack("<f", -1.0))
    block += parameter(1, "RATE", 4, (), struct.pack("<f", rate))
    block += parameter(1, "FRAMES", 2, (), struct.pack("<H", last & 0xFFFF))
    block += parameter(1, "DATA_START", 2, (), struct.pack("<H", 4))
    block += parameter(1, "LABELS", -1, (16, len(labels)), texts(labels))
    block += parameter(1, "UNITS", -1, (4,), units.encode().ljust(4))
    block += b"\0\0"
    block[2] = 2
    assert len(block) <= 1024
    header = struct.pack("<BBHHHHHfHHf", 2, 0x50, num_points, 0, 1, last & 0xFFFF, 0, -1.0, 4, 0, rate)
    data = np.concatenate([points, residuals[..., None]], axis=-1).astype("<f4").tobytes()
    whole = header.ljust(512, b"\0") + bytes(block).ljust(1024, b"\0") + data
    return whole + bytes(-len(whole) % 512)
