"""The search page in a real browser: it draws, moves, turns, filters, and keeps captions inert."""

import base64
import json
from pathlib import Path

import numpy as np
import pytest

from jaxmm.page import Figure, Query, write_search_page

from .browser import DRAWN, PICTURE, centre_of_canvas, picture_at

HOSTILE = "</script><img src=x onerror=\"document.title='broken'\"><b>bold</b>"
JOINTS = {
    **{"root": -1, "chest": 0, "neck": 1, "head": 2},
    **{"left_hip": 0, "left_knee": 4, "left_ankle": 5, "right_hip": 0, "right_knee": 7, "right_ankle": 8},
    **{"left_shoulder": 1, "left_elbow": 10, "left_wrist": 11},
    **{"right_shoulder": 1, "right_elbow": 13, "right_wrist": 14},
}


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
