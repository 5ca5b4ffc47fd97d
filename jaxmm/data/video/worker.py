"""The process that decodes videos for a `jaxmm.data.video.reader.VideoReader`: requests come in, frames go out.

A message is two lengths, JSON of the first one, and as many bytes as the second says.
"""

import json
import os
import queue
import struct
import sys
import threading
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any, BinaryIO

LENGTHS = struct.Struct(">II")
"""Before every message: the length of its JSON, and that of the bytes after it."""


def message(fields: Mapping[str, Any]) -> bytes:
    """Returns a message without further bytes.

    Example:
        >>> message({"ready": True})[LENGTHS.size :]
        b'{"ready": true}'
    """
    text = json.dumps(fields).encode()
    return LENGTHS.pack(len(text), 0) + text


def serve(memory_mib: int) -> None:
    """Answers requests until there are no more; ends at once when the process that asked is gone, however it ended.

    Args:
        memory_mib: Most memory, in MiB, that may be allocated.
    """
    # What a library prints must not get among the messages.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    from jaxmm.data.video import decoding

    _limit(memory_mib)
    requests: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(sys.stdin.buffer, requests), daemon=True).start()
    _send(answers, {"ready": True})
    while True:
        request = requests.get()
        try:
            for fields, content in _answers(request, decoding):
                _send(answers, fields, content)
        except MemoryError:  # what holds it is not known: the process that asked starts another one
            _send(answers, {"error": f"takes more than {memory_mib} MiB to decode", "ends": True})
            os._exit(0)
        except BrokenPipeError:
            os._exit(0)
        except Exception as error:
            _send(answers, {"error": decoding.reason_of(error)})


def _answers(request: dict[str, Any], decoding: Any) -> Iterator[tuple[dict[str, Any], bytes | memoryview]]:
    """Yields what a request is answered with: frames, and at the end what else is known."""
    decoder = decoding.Decoder(request["path"], size=request["size"], square=request["square"])
    try:
        match request["kind"]:
            case "info":
                yield {"done": asdict(decoder.info())}, b""
                return
            case "scan":
                yield {"done": asdict(decoder.scan())}, b""
                return
            case "indices":
                frames = decoder.at_indices(request["indices"])
            case "times":
                frames = decoder.at_times(request["times"])
            case _:
                frames = decoder.at_rate(request["fps"], start=request["start"], end=request["end"])
        most, cut = request.get("max_frames"), False
        for count, frame in enumerate(frames):
            if cut := count == most:
                break
            pixels = decoder.pixels(frame)
            yield {"shape": pixels.shape}, pixels.data.cast("B")
        yield {"done": {"fps": request.get("fps") or decoder.rate, "cut": cut}}, b""
    finally:
        decoder.close()


def _send(answers: BinaryIO, fields: dict[str, Any], content: bytes | memoryview = b"") -> None:
    text = json.dumps(fields).encode()
    answers.write(LENGTHS.pack(len(text), len(content)) + text)
    answers.write(content)
    answers.flush()


def _listen(stream: BinaryIO, requests: "queue.SimpleQueue[dict[str, Any]]") -> None:
    """Puts requests into the queue; where they end, so does the process, even in the middle of a file."""
    while len(lengths := stream.read(LENGTHS.size)) == LENGTHS.size:
        requests.put(json.loads(stream.read(LENGTHS.unpack(lengths)[0])))
    os._exit(0)


def _limit(memory_mib: int) -> None:
    """Limits what may be allocated, where the system can, and leaves no picture of a crash on the disk."""
    try:
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_DATA, (memory_mib * 2**20, memory_mib * 2**20))
    except (ImportError, ValueError, OSError):  # the time limit still holds
        return
