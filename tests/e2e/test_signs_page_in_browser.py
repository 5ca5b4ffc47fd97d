"""The page of signing in a real browser: it draws, moves, turns, opens one text, and keeps texts inert."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from jaxmm import ProceduralSigns
from jaxmm.data.sign.layout import HOLISTIC
from jaxmm.page.signs import ShownSign, SignEntry, write_signs_page

from .browser import DRAWN, PICTURE, centre_of_canvas, picture_at

HOSTILE = "</script><img src=x onerror=\"document.title='broken'\"><b>bold</b>"
COLOURS = """(() => {
    const canvas = document.querySelector("canvas");
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    let [blue, orange, any] = [0, 0, 0];
    for (let i = 0; i < data.length; i += 4) {
        if (data[i + 3] < 255) continue;
        any++;
        if (data[i + 2] > data[i] + 60) blue++;
        if (data[i] > data[i + 2] + 60) orange++;
    }
    return [blue, orange, any];
})()"""


@pytest.fixture(scope="module")
def clips():
    source = ProceduralSigns(num_glosses=8, takes=1, num_sentences=12, num_held_out=3, num_signers=1)
    return list(source.inventory(None).items())[:8]


@pytest.fixture(scope="module")
def page(clips, tmp_path_factory) -> Path:
    """Eight texts, each signed twice: once in full, once without its second half."""
    entries = [
        SignEntry(
            text=HOSTILE if place == 7 else f"TEXT {place}",
            clips=(
                ShownSign(
                    label="generated",
                    clip=dataclasses.replace(clip, frames=clip.frames[: clip.num_frames // 2]),
                    scores={"error": place % 3 + 0.25, HOSTILE: 1.0},
                ),
                ShownSign(label="recorded", clip=clip),
            ),
        )
        for place, clip in enumerate(clips)
    ]
    path = tmp_path_factory.mktemp("page") / "index.html"
    write_signs_page(path, title=HOSTILE, entries=entries, facts={"clips": "8", HOSTILE: HOSTILE})
    return path


def page_of(folder: Path, clip) -> Path:
    entry = SignEntry(text="one", clips=(ShownSign(label="recorded", clip=clip),))
    write_signs_page(folder / "one.html", title="One", entries=[entry], facts={})
    return folder / "one.html"


def test_the_page_draws_and_plays_without_a_complaint_or_a_request(browser, page):
    browser.show(page, reduced_motion="no-preference")
    first = browser.run(PICTURE)
    browser.wait_until(f"jaxmmPage.frame().seconds > 0.2 && {PICTURE} !== {json.dumps(first)}")
    assert browser.run("jaxmmPage.frame().playing") is True
    assert browser.run("jaxmmPage.frame().shown") == list(range(8))
    assert browser.complaints() == []
    requests = [
        event["params"]["request"] for event in browser.events if event["method"] == "Network.requestWillBeSent"
    ]
    assert [request["url"] for request in requests if not request["url"].startswith((page.as_uri(), "data:"))] == []


@pytest.mark.parametrize("part", [None, "left_hand", "right_hand"])
def test_hands_have_their_colours_and_what_was_not_detected_is_not_drawn(browser, clips, tmp_path, part):
    frames = clips[0].frames.copy()
    if part is not None:
        frames[:, HOLISTIC.part_features(part)] = 0
        wrist = HOLISTIC.landmark(f"body/{part.split('_')[0].upper()}_WRIST")
        frames[:, HOLISTIC.position_features[wrist]] = 0
    browser.show(page_of(tmp_path, dataclasses.replace(clips[0], frames=frames)), reduced_motion="reduce")
    browser.run(f"jaxmmPage.seek({clips[0].num_frames / clips[0].fps / 2}); {DRAWN}")
    blue, orange, _ = browser.run(COLOURS)
    assert (blue > 300) == (part != "left_hand")
    assert (orange > 300) == (part != "right_hand")
    assert browser.complaints() == []


def test_a_clip_in_which_nothing_was_detected_leaves_an_empty_stage(browser, clips, tmp_path):
    still = dataclasses.replace(clips[0], frames=np.zeros((3, 540), np.float32))
    browser.show(page_of(tmp_path, still), reduced_motion="reduce")
    assert browser.run(COLOURS) == [0, 0, 0]
    assert browser.complaints() == []


def test_a_body_without_a_face_is_drawn(browser, clips, tmp_path):
    frames = clips[0].frames.copy()
    frames[:, HOLISTIC.part_features("face")] = 0
    browser.show(page_of(tmp_path, dataclasses.replace(clips[0], frames=frames)), reduced_motion="reduce")
    assert browser.run(COLOURS)[2] > 10_000
    assert browser.complaints() == []


def test_clips_of_a_text_start_together_and_the_shorter_one_waits(browser, page, clips):
    browser.show(page, reduced_motion="reduce", fragment="#n=0")
    ended = len(clips[0].frames) // 2 / clips[0].fps
    assert picture_at(browser, ended * 0.3) != picture_at(browser, ended)
    assert picture_at(browser, ended + 0.2) == picture_at(browser, ended + 0.4)
    widths = browser.run("[...document.querySelectorAll('.progress')].map(bar => bar.style.width)")
    assert widths[1] == "100%"
    assert 40 < float(widths[0].rstrip("%")) < 60


def test_dragging_turns_every_figure_and_a_double_click_resets(browser, page):
    browser.show(page, reduced_motion="reduce")
    second = "document.querySelectorAll('canvas')[1].toDataURL()"
    before, other = picture_at(browser, 0.4), browser.run(second)
    x, y = centre_of_canvas(browser)
    browser.mouse("mousePressed", x, y, button="left", clickCount=1)
    browser.mouse("mouseMoved", x + 60, y + 20, button="left", buttons=1)
    browser.mouse("mouseReleased", x + 60, y + 20, button="left", clickCount=1)
    assert picture_at(browser, 0.4) != before
    assert browser.run(second) != other
    for count in (1, 2):
        browser.mouse("mousePressed", x, y, button="left", clickCount=count)
        browser.mouse("mouseReleased", x, y, button="left", clickCount=count)
    assert picture_at(browser, 0.4) == before


def test_a_text_opens_large_and_escape_closes_it(browser, page):
    browser.show(page, reduced_motion="reduce")
    small = browser.run("document.querySelector('canvas').clientWidth")
    browser.run("document.querySelectorAll('.entry a')[2].click()")
    browser.wait_until("jaxmmPage.frame().alone === 2")
    assert browser.text(".entry h2") == "TEXT 2"
    assert browser.run("document.querySelectorAll('canvas').length") == 2
    assert browser.run("document.querySelector('canvas').clientWidth") > small
    browser.run("document.querySelector('#before').click()")
    browser.wait_until("jaxmmPage.frame().alone === 1")
    browser.press("Escape")
    browser.wait_until("jaxmmPage.frame().alone === null")
    assert browser.run("document.querySelectorAll('canvas').length") == 16


def test_typing_filters_and_a_score_orders(browser, page):
    browser.show(page, reduced_motion="reduce")
    browser.run("document.querySelector('#order').value = '-error'")
    browser.run("document.querySelector('#order').dispatchEvent(new Event('change'))")
    assert browser.run("jaxmmPage.frame().shown") == [2, 5, 1, 4, 7, 0, 3, 6]
    assert browser.text(".scores dd") == "2.250"
    browser.run("document.querySelector('#filter').focus()")
    browser.call("Input.insertText", text="text 3")
    browser.wait_until("jaxmmPage.frame().shown.length === 1")
    assert browser.text("#count") == "1 of 8"
    assert browser.text(".entry h2") == "TEXT 3"


def test_hostile_texts_are_shown_as_text(browser, page):
    browser.show(page, fragment="#n=7", reduced_motion="reduce")
    assert browser.text(".entry h2") == HOSTILE
    assert browser.text(".scores div:last-child dt") == HOSTILE
    assert browser.run("document.title") == HOSTILE
    assert browser.run("document.querySelectorAll('img, b').length") == 0
    assert browser.complaints() == []


@pytest.mark.parametrize("fragment", ["#n=99", "#n=x", "#q=1"])
def test_a_link_to_no_text_shows_all(browser, page, fragment):
    browser.show(page, fragment=fragment, reduced_motion="reduce")
    assert browser.run("jaxmmPage.frame().alone") is None


@pytest.mark.parametrize("fragment", ["", "#n=1"])
@pytest.mark.parametrize("width", [340, 800, 1600])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_fits_its_window_in_both_schemes(browser, page, width, scheme, fragment):
    browser.show(page, width=width, color_scheme=scheme, reduced_motion="reduce", fragment=fragment)
    assert browser.run("document.documentElement.scrollWidth") <= width
    red = browser.run("Number(getComputedStyle(document.documentElement).backgroundColor.match(/\\d+/)[0])")
    assert (red > 200) == (scheme == "light")
