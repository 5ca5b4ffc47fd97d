import signal
import subprocess
import sys
import textwrap
import threading
import time

import pytest

from jaxmm.errors import Interrupted
from jaxmm.train.signals import STOPPING, StopRequests


@pytest.mark.parametrize("number", STOPPING)
def test_a_signal_outside_the_loop_interrupts_at_once(number):
    with pytest.raises(Interrupted) as stopped, StopRequests():
        signal.raise_signal(number)
    assert stopped.value.status == 128 + number


@pytest.mark.parametrize("number", STOPPING)
def test_a_signal_in_the_loop_is_only_remembered(number):
    with StopRequests() as requests:
        with requests.deferred():
            assert requests.received is None
            signal.raise_signal(number)
            assert requests.received == number
        assert requests.received == number


def test_the_handlers_before_come_back():
    before = {number: signal.getsignal(number) for number in STOPPING}
    with StopRequests():
        assert all(signal.getsignal(number) != before[number] for number in STOPPING)
    assert {number: signal.getsignal(number) for number in STOPPING} == before
    assert signal.set_wakeup_fd(-1) == -1


def test_another_thread_than_the_main_one_receives_nothing():
    found = []

    def enter():
        with StopRequests() as requests:
            found.append(requests.received)

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert found == [None]


def test_a_second_signal_ends_the_process_even_while_no_python_code_runs():
    program = """
        import ctypes
        from jaxmm.train.signals import StopRequests
        mutex, library = ctypes.create_string_buffer(64), ctypes.CDLL(None)
        with StopRequests() as requests, requests.deferred():
            library.pthread_mutex_lock(mutex)
            print("ready", flush=True)
            library.pthread_mutex_lock(mutex)  # never returns, whatever signals arrive
        """
    with subprocess.Popen([sys.executable, "-c", textwrap.dedent(program)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        process.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=10) == 128 + signal.SIGINT
