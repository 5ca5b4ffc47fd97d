"""One process that decodes: started, asked, waited for no longer than agreed, and ended."""

import contextlib
import importlib.util
import json
import os
import selectors
import signal
import subprocess
import sys
import time
import weakref
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from jaxtyping import UInt8

from jaxmm.data.video.worker import LENGTHS, message
from jaxmm.errors import JaxmmError, MissingExtraError

_SERVE = "from jaxmm.data.video.worker import serve; serve({})"
_LONGEST_START = 120.0  # seconds; a busy machine imports libraries slowly
_PIPE_BYTES = 2**20


class RefusedError(Exception):
    """The file cannot be decoded; the process is ready for the next one, or has ended."""


class DiedError(Exception):
    """The process ended in the middle of a file."""


class LateError(Exception):
    """The file took longer than agreed."""


class DecoderProcess:
    """A process that decodes one file after another; it ends with its owner, however that ends.

    It is started afresh, not forked: forked from a process with threads it might hang. It is of a session of its own,
    so that signals of the terminal do not reach it.

    Args:
        memory_mib: Most memory that it may allocate, in MiB.

    Raises:
        MissingExtraError: If the extra `video` is not installed.
        JaxmmError: If it does not start.
    """

    def __init__(self, *, memory_mib: int) -> None:
        for module, package in (("av", "av"), ("PIL", "pillow")):
            if importlib.util.find_spec(module) is None:
                raise MissingExtraError.of(package, extra="video")
        own_path = os.pathsep.join(entry or os.getcwd() for entry in sys.path)
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-c", _SERVE.format(memory_mib)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": own_path, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
            start_new_session=True,
        )
        self._finalize = weakref.finalize(self, _end, self._process, os.getpid())
        assert self._process.stdin is not None and self._process.stdout is not None
        self._requests, self._answers = self._process.stdin, self._process.stdout
        _widen(self._answers.fileno())
        self._ready = selectors.DefaultSelector()
        self._ready.register(self._answers, selectors.EVENT_READ)
        try:
            self._receive(_LONGEST_START)
        except (DiedError, LateError) as error:
            self.end()
            raise JaxmmError(
                f"the process that decodes videos does not start ({error}); allow more memory or fewer processes, "
                f"or see what it says: python -c '{_SERVE.format(memory_mib)}'"
            ) from error
        except BaseException:
            self.end()
            raise

    @property
    def pid(self) -> int:
        """Number of the process."""
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    def end(self) -> None:
        """Ends it, whatever it does, and leaves nothing of it."""
        self._ready.close()
        self._finalize()

    def ask(
        self, request: Mapping[str, Any], *, seconds: float
    ) -> Iterator[UInt8[np.ndarray, "height width 3"] | Mapping[str, Any]]:
        """Yields the frames that a request is answered with, and at last what else is known.

        Args:
            request: See `jaxmm.data.video.worker`.
            seconds: Longest time to wait for answers, in all.

        Raises:
            RefusedError: If the file cannot be decoded.
            DiedError: If the process ends before the last answer.
            LateError: If the answers take too long.
        """
        try:
            self._requests.write(message(request))
            self._requests.flush()
        except BrokenPipeError as error:
            raise self._died() from error
        while True:
            since = time.monotonic()
            fields, content = self._receive(seconds)
            seconds -= time.monotonic() - since
            if "error" in fields:
                if fields.get("ends"):  # on its own, but it may be seen to live until its memory is taken down
                    self.end()
                raise RefusedError(fields["error"])
            if "done" in fields:
                yield fields["done"]
                return
            yield np.frombuffer(content, np.uint8).reshape(fields["shape"])

    def _receive(self, seconds: float) -> tuple[dict[str, Any], bytearray]:
        deadline = time.monotonic() + seconds
        num_text, num_bytes = LENGTHS.unpack(self._take(LENGTHS.size, deadline))
        return json.loads(self._take(num_text, deadline)), self._take(num_bytes, deadline)

    def _take(self, count: int, deadline: float) -> bytearray:
        content, taken = bytearray(count), 0
        with memoryview(content) as view:
            while taken < count:
                left = deadline - time.monotonic()
                if left <= 0 or not self._ready.select(left):
                    raise LateError("no answer in time")
                if not (more := os.readv(self._answers.fileno(), [view[taken:]])):
                    raise self._died()
                taken += more
        return content

    def _died(self) -> DiedError:
        status = self._process.wait()
        return DiedError(signal.Signals(-status).name if status < 0 else f"status {status}")


def _widen(pipe: int) -> None:
    """Lets a pipe hold most of a frame, where the system can and the user has not as much in pipes as is allowed."""
    with contextlib.suppress(ImportError, AttributeError, OSError):
        import fcntl

        fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)


def _end(process: "subprocess.Popen[bytes]", owner: int) -> None:
    """Ends a process and forgets it, so that none is left; a forked copy of its owner must leave it alone."""
    if os.getpid() != owner:
        return
    process.kill()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with contextlib.suppress(OSError):  # a request that nobody reads any more
                pipe.close()
    process.wait()
