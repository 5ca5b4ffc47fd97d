"""A headless browser to look at pages with, and what tests ask of a page of moving figures."""

import fcntl
import itertools
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
# The browser gets its pipe as file descriptors 3 and 4, which only a process in between can arrange safely.
LAUNCHER = "import os, sys; [os.dup2(int(sys.argv[i]), i + 2) for i in (1, 2)]; os.execv(sys.argv[3], sys.argv[3:])"
FLAGS = (
    *("headless", "no-sandbox", "disable-gpu", "disable-dev-shm-usage", "no-first-run", "remote-debugging-pipe"),
    *("disable-background-networking", "disable-component-update", "disable-sync", "disable-extensions"),
    "host-resolver-rules=MAP * ~NOTFOUND",
)
COMPLAINTS = {"Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded"}
SECONDS_TO_WAIT = 30

DRAWN = "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done, 30))))"
PICTURE = "document.querySelector('canvas').toDataURL()"


class Browser:
    """A headless browser, driven by the DevTools protocol over a pair of pipes."""

    def __init__(self, profile: Path) -> None:
        from_us, self._write = os.pipe()
        self._read, to_us = os.pipe()
        # Numbers far from 3 and 4, so that the launcher overwrites neither.
        theirs = [fcntl.fcntl(end, fcntl.F_DUPFD, 100) for end in (from_us, to_us)]
        flags = [f"--{flag}" for flag in FLAGS]
        command = [
            sys.executable,
            "-c",
            LAUNCHER,
            *map(str, theirs),
            str(CHROMIUM),
            *flags,
            f"--user-data-dir={profile}",
            "about:blank",
        ]
        self.process = subprocess.Popen(command, pass_fds=theirs, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for end in (from_us, to_us, *theirs):
            os.close(end)
        self._numbers = itertools.count(1)
        self._unread = b""
        self._session: str | None = None
        self.events: list[dict] = []

    def open_tab(self) -> None:
        self._session = None
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")
        self.events.clear()

    def call(self, method: str, **params: object) -> dict:
        number = next(self._numbers)
        message: dict[str, object] = {"id": number, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while (answer := self._receive()).get("id") != number:
            self.events.append(answer)
        assert "error" not in answer, answer
        return answer["result"]

    def _receive(self) -> dict:
        while b"\0" not in self._unread:
            chunk = os.read(self._read, 1 << 16)
            assert chunk, "the browser closed its pipe"
            self._unread += chunk
        message, self._unread = self._unread.split(b"\0", 1)
        return json.loads(message)

    def run(self, script: str) -> Any:
        answer = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def text(self, selector: str) -> str:
        return self.run(f"document.querySelector({json.dumps(selector)}).textContent")

    def wait_until(self, condition: str) -> None:
        deadline = time.monotonic() + SECONDS_TO_WAIT
        while not self.run(condition):
            assert time.monotonic() < deadline, f"never true: {condition}"
            time.sleep(0.02)

    def show(self, page: Path, *, fragment: str = "", width: int = 1280, height: int = 900, **media: str) -> None:
        self.open_tab()
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        features = [{"name": f"prefers-{name.replace('_', '-')}", "value": value} for name, value in media.items()]
        self.call("Emulation.setEmulatedMedia", features=features)
        self.call("Page.navigate", url=page.as_uri() + fragment)
        self.wait_until("document.documentElement?.dataset.ready === '1'")

    def press(self, key: str) -> None:
        self.call("Input.dispatchKeyEvent", type="keyDown", key=key)
        self.call("Input.dispatchKeyEvent", type="keyUp", key=key)

    def mouse(self, kind: str, x: float, y: float, **details: object) -> None:
        self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, **details)

    def complaints(self) -> list[dict]:
        return [event for event in self.events if event["method"] in COMPLAINTS]

    def close(self) -> None:
        os.close(self._write)
        self.process.terminate()
        self.process.wait(SECONDS_TO_WAIT)
        os.close(self._read)


def picture_at(browser: Browser, seconds: float) -> object:
    browser.run(f"jaxmmPage.pause(); jaxmmPage.seek({seconds}); {DRAWN}")
    return browser.run(PICTURE)


def centre_of_canvas(browser: Browser) -> tuple[float, float]:
    box = browser.run("document.querySelector('canvas').getBoundingClientRect().toJSON()")
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
