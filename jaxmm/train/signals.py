"""Requests to stop: the first one is granted after the step under way is saved, the second at once."""

import logging
import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from jaxmm.errors import Interrupted

STOPPING = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)
"""What schedulers and people send: preemption, the interrupt key, the warning before a time limit."""

_LOG = logging.getLogger(__name__)


class StopRequests:
    """Receives signals that ask the process to stop, while it is entered; then the handlers before are back.

    Outside `deferred` the first raises `Interrupted`; within, it only sets `received`. A second ends the process at
    once, even amid a compilation, where no Python code runs: a thread watches for it. Handlers belong to the main
    thread; entered in another, this receives nothing.

    Attributes:
        received: Number of the first signal, or None.

    Example:
        >>> with StopRequests() as requests, requests.deferred():
        ...     signal.raise_signal(signal.SIGUSR1)
        ...     requests.received == signal.SIGUSR1
        True
    """

    def __init__(self) -> None:
        self.received: int | None = None
        self._deferring = False
        self._num_received = 0

    def __enter__(self) -> "StopRequests":
        self._listens = threading.current_thread() is threading.main_thread()
        if self._listens:
            self._reader, self._writer = socket.socketpair()
            self._writer.setblocking(False)
            self._before = {number: signal.signal(number, self._handle) for number in STOPPING}
            self._fd_before = signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)
            threading.Thread(target=self._watch, args=(self._reader,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._listens:
            signal.set_wakeup_fd(self._fd_before)
            for number, handler in self._before.items():
                signal.signal(number, handler)
            self._writer.close()  # ends the thread

    @contextmanager
    def deferred(self, *, deferring: bool = True) -> Iterator[None]:
        """Within this context a first signal interrupts nothing; with False, again at once, where nothing is lost."""
        before, self._deferring = self._deferring, deferring
        try:
            yield
        finally:
            self._deferring = before

    def _handle(self, number: int, frame: FrameType | None) -> None:
        del frame
        if self.received is None:
            self.received = number
            if not self._deferring:
                raise Interrupted(number)
            _LOG.warning("%s: stops after this step is saved; send it again to stop at once", name_of(number))

    def _watch(self, reader: socket.socket) -> None:
        """Reads the number of each signal that the interpreter's own handler writes, whatever the main thread does."""
        with reader:
            while numbers := reader.recv(16):
                for number in numbers:
                    self._num_received += number in STOPPING
                    if self._num_received > 1:
                        os._exit(128 + number)


def name_of(number: int) -> str:
    """Returns the name of a signal.

    Example:
        >>> name_of(15)
        'SIGTERM'
    """
    return signal.Signals(number).name
