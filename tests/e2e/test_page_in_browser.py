"""The search page in a real browser: it draws, moves, turns, filters, and keeps captions inert."""

import base64
import fcntl
import itertools
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jaxmm.page import Figure, Query, write_search_page

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs a chromium browser on the PATH")

HOSTILE = "</script><img src=x onerror=\"document.title='broken'\"><b>bold</b>"
JOINTS = {
    **{"root": -1, "chest": 0, "neck": 1, "head": 2},
    **{"left_hip": 0, "left_knee": 4, "left_ankle": 5, "right_hip": 0, "right_knee": 7, "right_ankle": 8},
    **{"left_shoulder": 1, "left_elbow": 10, "left_wrist": 11},
    **{"right_shoulder": 1, "right_elbow": 13, "right_wrist": 14},
}
# The browser gets its pipe as file descriptors 3 and 4, which only a process in between can arrange safely.
LAUNCHER = "import os, sys; [os.dup2(int(sys.argv[i]), i + 2) for i in (1, 2)]; os.execv(sys.argv[3], sys.argv[3:])"
FLAGS = (
    *("headless", "no-sandbox", "disable-gpu", "disable-dev-shm-usage", "no-first-run", "remote-debugging-pipe"),
    *("disable-background-networking", "disable-component-update", "disable-sync", "disable-extensions"),
    "host-resolver-rules=MAP * ~NOTFOUND",
)
COMPLAINTS = {"Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded"}
SECONDS_TO_WAIT = 30


def walk(*, stride: float, num_frames: int = 40) -> np.ndarray:
    """A walking stick figure: legs and arms swing against each other while the root moves along +z."""
    phase = np.linspace(0, 4 * np.pi, num_frames)
    positions = np.zeros((num_frames, len(JOINTS), 3), np.float32)
    place = {name: index for index, name in enumerate(JOINTS)}
    heights = {"root": 0.95, "chest": 1.25, "neck": 1.45, "head": 1.55}
    for name, height in heights.items():
        positions[:, place[name], 1] = height
    legs, arms = ("hip", "knee", "ankle"), ("shoulder", "elbow", "wrist")
    for side, sign in (("left", 1), ("right", -1)):
        swing = stride * sign * np.sin(phase)
        for names, top, length, width, angle in ((legs, 0.92, 0.42, 0.1, swing), (arms, 1.4, 0.27, 0.2, -swing)):
            for step, name in enumerate(names):
                along = step * length
                across = np.full(num_frames, sign * width)
                point = np.stack([across, top - along * np.cos(angle), along * np.sin(angle)], axis=-1)
                positions[:, place[f"{side}_{name}"]] = point
    positions[..., 2] += np.linspace(0, 2.0, num_frames)[:, None]
    return positions


@pytest.fixture(scope="module")
def page(tmp_path_factory) -> Path:
    figures = [
        Figure(
            key=f"walk_{index}",
            captions=(f"a person walks, stride {index}", HOSTILE),
            fps=20.0,
            positions=walk(stride=0.1 + 0.15 * index),
        )
        for index in range(6)
    ]
    queries = [
        Query(text="a person walks slowly", results=((0, 0.9), (1, 0.7), (2, 0.2)), relevant=frozenset({1, 4})),
        Query(text="a person walks quickly", results=((5, 0.8), (4, 0.6)), relevant=frozenset({5})),
        Query(text=HOSTILE, results=((3, 0.5),)),
        Query(text="motion", figure=2, texts=((HOSTILE, 0.4), ("a walk", 0.3)), relevant_texts=frozenset({"a walk"})),
        Query(text="a walk", texts=(("a stroll", 0.9),)),
        *(Query(text=f"many queries {index}", results=((index % 6, 0.5),)) for index in range(3000)),
    ]
    path = tmp_path_factory.mktemp("page") / "search.html"
    write_search_page(
        path,
        title=HOSTILE,
        parents=list(JOINTS.values()),
        joint_names=list(JOINTS),
        figures=figures,
        queries=queries,
        facts={"gallery": "6 motions", HOSTILE: HOSTILE},
    )
    return path


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


@pytest.fixture(scope="module")
def browser(tmp_path_factory) -> Iterator[Browser]:
    started = Browser(tmp_path_factory.mktemp("profile"))
    yield started
    started.close()


DRAWN = "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done, 30))))"
PICTURE = "document.querySelector('canvas').toDataURL()"


def picture_at(browser: Browser, seconds: float) -> object:
    browser.run(f"jaxmmPage.pause(); jaxmmPage.seek({seconds}); {DRAWN}")
    return browser.run(PICTURE)


def centre_of_canvas(browser: Browser) -> tuple[float, float]:
    box = browser.run("document.querySelector('canvas').getBoundingClientRect().toJSON()")
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def test_the_page_draws_and_plays_without_a_complaint_or_a_request(browser, page):
    browser.show(page, reduced_motion="no-preference")
    first = browser.run(PICTURE)
    browser.wait_until(f"jaxmmPage.frame().seconds > 0.2 && {PICTURE} !== {json.dumps(first)}")
    assert browser.run("jaxmmPage.frame().playing") is True
    assert browser.run("jaxmmPage.frame().shown") == ["walk_0", "walk_1", "walk_2"]
    assert browser.complaints() == []
    requests = [
        event["params"]["request"] for event in browser.events if event["method"] == "Network.requestWillBeSent"
    ]
    assert [request["url"] for request in requests if not request["url"].startswith((page.as_uri(), "data:"))] == []


def test_left_and_right_limbs_have_their_colours(browser, page):
    browser.show(page, reduced_motion="reduce", color_scheme="light")
    browser.run(f"jaxmmPage.seek(0.3); {DRAWN}")
    blue, orange = browser.run("""(() => {
        const canvas = document.querySelector("canvas");
        const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
        let [blue, orange] = [0, 0];
        for (let i = 0; i < data.length; i += 4) {
            if (data[i + 3] < 255) continue;
            if (data[i + 2] > data[i] + 60) blue++;
            if (data[i] > data[i + 2] + 60) orange++;
        }
        return [blue, orange];
    })()""")
    assert blue > 200
    assert orange > 200


def test_the_picture_follows_time_and_query(browser, page):
    browser.show(page, reduced_motion="reduce")
    early = picture_at(browser, 0.1)
    assert picture_at(browser, 0.6) != early
    assert picture_at(browser, 0.1) == early
    browser.run("jaxmmPage.select(1)")
    assert picture_at(browser, 0.1) != early
    assert browser.run("jaxmmPage.frame().shown") == ["walk_5", "walk_4"]
    assert browser.run("location.hash") == "#q=1"


def test_dragging_turns_every_figure_and_a_double_click_resets(browser, page):
    browser.show(page, reduced_motion="reduce")
    last = "[...document.querySelectorAll('canvas')].at(-1).toDataURL()"
    before, others = picture_at(browser, 0.4), browser.run(last)
    x, y = centre_of_canvas(browser)
    browser.mouse("mousePressed", x, y, button="left", clickCount=1)
    browser.mouse("mouseMoved", x + 60, y + 20, button="left", buttons=1)
    browser.mouse("mouseReleased", x + 60, y + 20, button="left", clickCount=1)
    assert picture_at(browser, 0.4) != before
    assert browser.run(last) != others
    for count in (1, 2):
        browser.mouse("mousePressed", x, y, button="left", clickCount=count)
        browser.mouse("mouseReleased", x, y, button="left", clickCount=count)
    assert picture_at(browser, 0.4) == before


def test_the_wheel_zooms_a_focused_figure_only(browser, page):
    browser.show(page, reduced_motion="reduce")
    x, y = centre_of_canvas(browser)
    browser.mouse("mouseWheel", x, y, deltaX=0, deltaY=-200)
    assert browser.run("jaxmmPage.frame().zoom") == 1
    browser.run("document.querySelector('canvas').focus()")
    browser.mouse("mouseWheel", x, y, deltaX=0, deltaY=-200)
    browser.wait_until("jaxmmPage.frame().zoom > 1.1")
    browser.press("ArrowLeft")
    browser.press("Home")
    assert browser.run("jaxmmPage.frame().zoom") == 1


def test_one_finger_turns_and_two_zoom(browser, page):
    browser.show(page, reduced_motion="reduce")
    x, y = centre_of_canvas(browser)

    def touch(kind: str, *points: float) -> None:
        fingers = [{"x": x + point, "y": y, "id": number} for number, point in enumerate(points)]
        browser.call("Input.dispatchTouchEvent", type=kind, touchPoints=fingers)

    before = browser.run("jaxmmPage.frame()")
    touch("touchStart", 0)
    touch("touchMove", 30)
    touch("touchMove", 60)
    touch("touchEnd")
    turned = browser.run("jaxmmPage.frame()")
    assert turned["yaw"] > before["yaw"]
    assert turned["zoom"] == 1
    touch("touchStart", -20, 20)
    touch("touchMove", -40, 40)
    touch("touchMove", -60, 60)
    touch("touchEnd")
    pinched = browser.run("jaxmmPage.frame()")
    assert pinched["zoom"] > 1.2
    assert pinched["yaw"] == turned["yaw"]


def test_hostile_captions_are_shown_as_text(browser, page):
    browser.show(page, fragment="#q=2", reduced_motion="reduce")
    assert browser.text("#query") == HOSTILE
    assert browser.text(".captions li:nth-child(2)") == HOSTILE
    assert browser.run("document.title") == HOSTILE
    assert browser.text("#facts > div:last-child > dd") == HOSTILE
    browser.run("jaxmmPage.select(3)")
    assert browser.text(".sentence p") == HOSTILE
    assert browser.run("document.querySelectorAll('img, b, body script:not(#data)').length") == 1
    assert browser.complaints() == []


def test_sentences_are_ranked_beside_the_motion_that_asks(browser, page):
    browser.show(page, fragment="#q=3", reduced_motion="reduce")
    rows = "[...document.querySelectorAll('.sentence')].map(row => row.classList.contains('true'))"
    assert browser.run(rows) == [False, True]
    assert browser.run("jaxmmPage.frame().shown") == ["walk_2"]
    assert browser.text("#verdict") == "1 of 1 true answer among the 2 shown, the first at rank 2."
    assert picture_at(browser, 0.1) != picture_at(browser, 0.5)
    browser.run("jaxmmPage.select(4)")
    assert browser.run("document.querySelectorAll('canvas').length") == 0
    assert browser.complaints() == []


def test_marks_scores_and_captions_stand_with_each_result(browser, page):
    browser.show(page, reduced_motion="reduce")
    marks = browser.run("[...document.querySelectorAll('.grid .mark')].map(mark => mark.textContent)")
    assert marks == ["not an answer", "✓ true answer", "not an answer"]
    assert browser.text(".score") == "0.900"
    assert browser.text("#verdict") == "1 of 2 true answers among the 3 shown, the first at rank 2."
    label = browser.run("document.querySelector('canvas').getAttribute('aria-label')")
    assert label == "Rank 1: a person walks, stride 0"


def test_typing_filters_and_the_arrow_keys_choose(browser, page):
    browser.show(page, reduced_motion="reduce")
    assert browser.run("document.querySelectorAll('.row').length") < 60
    browser.run("document.querySelector('#filter').focus()")
    browser.call("Input.insertText", text="QUERIES 299")
    assert browser.text("#count") == "13 of 3,005"
    browser.press("Enter")
    assert browser.text("#query") == "many queries 299"
    browser.press("ArrowDown")
    assert browser.text("#query") == "many queries 1299"
    assert browser.run("document.querySelector('[aria-selected=true]').id") == browser.run(
        "document.querySelector('#filter').getAttribute('aria-activedescendant')"
    )
    browser.press("Escape")
    assert browser.text("#count") == "3,005"
    assert browser.text("[aria-selected=true] .row-text") == "many queries 1299"


def test_playback_starts_paused_for_readers_who_want_less_motion(browser, page):
    browser.show(page, reduced_motion="reduce")
    browser.run(DRAWN)
    state = browser.run("jaxmmPage.frame()")
    assert (state["seconds"], state["playing"]) == (0, False)
    assert browser.text("#play") == "Play"
    browser.run("document.querySelector('#play').click()")
    browser.wait_until("jaxmmPage.frame().seconds > 0.1")


@pytest.mark.parametrize("width", [360, 800, 1600])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_fits_its_window_in_both_schemes(browser, page, width, scheme):
    browser.show(page, width=width, color_scheme=scheme, reduced_motion="reduce")
    assert browser.run("document.documentElement.scrollWidth") <= width
    red = browser.run("Number(getComputedStyle(document.documentElement).backgroundColor.match(/\\d+/)[0])")
    assert (red > 200) == (scheme == "light")


def test_the_picture_is_not_blank(browser, page):
    browser.show(page, reduced_motion="reduce")
    assert len(base64.b64decode(browser.run(PICTURE).split(",")[1])) > 5000
