"""The search page as a file: what it embeds, how exactly, and that captions stay data."""

import base64
import hashlib
import html.parser
import json
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxmm.data.motion import Skeleton
from jaxmm.errors import DataError
from jaxmm.page import Body, Figure, Query, write_search_page

JOINTS_25 = {
    "Hips": -1,
    **{"LeftUpLeg": 0, "LeftLeg": 1, "LeftFoot": 2, "LeftToeBase": 3},
    **{"RightUpLeg": 0, "RightLeg": 5, "RightFoot": 6, "RightToeBase": 7},
    **{"LowerBack": 0, "Spine": 9, "Spine1": 10, "Neck": 11, "Neck1": 12, "Head": 13},
    **{"LeftShoulder": 11, "LeftArm": 15, "LeftForeArm": 16, "LeftHand": 17, "LeftHandIndex1": 18},
    **{"RightShoulder": 11, "RightArm": 20, "RightForeArm": 21, "RightHand": 22, "RightHandIndex1": 23},
}
LEG, ARM = [0.1, 0.4, 0.4, 0.15], [0.13, 0.08, 0.28, 0.25, 0.1]
LENGTHS_25 = [0, *LEG, *LEG, 0.1, 0.1, 0.1, 0.15, 0.05, 0.05, *ARM, *ARM]
JOINTS_15 = {
    **{"root": -1, "chest": 0, "neck": 1},
    **{"right_hip": 0, "right_knee": 3, "right_ankle": 4, "right_shoulder": 1, "right_elbow": 6, "right_wrist": 7},
    **{"left_hip": 0, "left_knee": 9, "left_ankle": 10, "left_shoulder": 1, "left_elbow": 12, "left_wrist": 13},
}
HOSTILE = [
    "</script><script>alert(1)</script>",
    "<!-- <script> {{script}} -->",
    "\"'><img src=x onerror=alert(1)> & \u2028 \\u003c",
    "踊る人 🕺",
]


def skeleton_of(joints: dict[str, int]) -> Skeleton:
    return Skeleton(joint_names=tuple(joints), parents=tuple(joints.values()))


def still(
    key: str = "still", *, captions: tuple[str, ...] = ("a person stands",), num_frames: int = 2, seed: int = 0
) -> Figure:
    positions = np.random.default_rng(seed).uniform(-1, 1, (num_frames, 25, 3)).astype(np.float32)
    return Figure(key=key, captions=captions, fps=20.0, positions=positions)


def write(path: Path, *, figures: list[Figure], queries: list[Query], title: str = "Search") -> Path:
    write_search_page(
        path,
        title=title,
        parents=list(JOINTS_25.values()),
        joint_names=list(JOINTS_25),
        figures=figures,
        queries=queries,
        facts={"gallery": f"{len(figures)} motions"},
    )
    return path


def data_of(path: Path) -> dict:
    text = path.read_text(encoding="utf-8")
    found = re.findall(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)
    assert len(found) == 1
    return json.loads(found[0])


def decode(figure: dict) -> np.ndarray:
    steps = np.frombuffer(base64.b64decode(figure["data"]), "<i2").reshape(figure["frames"], -1, 3)
    return steps * figure["step"] + np.array(figure["middle"])


class Elements(html.parser.HTMLParser):
    """Collects the elements of a page and the text of its title."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.title = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        if self.tags and self.tags[-1] == "title" and not self.title:
            self.title = data


@settings(max_examples=30, deadline=None)
@given(span=st.floats(0.0, 60.0), offset=st.floats(-1000.0, 1000.0), seed=st.integers(0, 99))
def test_positions_are_kept_to_half_a_millimetre(tmp_path_factory, span, offset, seed):
    positions = offset + span * np.random.default_rng(seed).uniform(-0.5, 0.5, (3, 25, 3))
    figure = Figure(key="any", captions=(), fps=20.0, positions=positions)
    path = tmp_path_factory.mktemp("page") / "page.html"
    write(path, figures=[figure], queries=[Query(text="any", results=((0, 1.0),))])
    assert np.abs(decode(data_of(path)["figures"][0]) - positions).max() < 0.0005


def test_a_motion_that_never_moves_is_kept(tmp_path):
    figure = Figure(key="point", captions=(), fps=20.0, positions=np.full((2, 25, 3), 1.5))
    path = write(tmp_path / "page.html", figures=[figure], queries=[Query(text="any", results=((0, 1.0),))])
    np.testing.assert_array_equal(decode(data_of(path)["figures"][0]), 1.5)


def test_only_shown_figures_are_embedded_and_indices_follow(tmp_path):
    figures = [still(f"motion_{index}", seed=index) for index in range(6)]
    queries = [
        Query(text="first", results=((4, 0.9), (1, 0.5)), relevant=frozenset({1, 3})),
        Query(text="5", figure=5, texts=(("a jump", 0.7), ("a walk", 0.1)), relevant_texts=frozenset({"a walk"})),
    ]
    data = data_of(write(tmp_path / "page.html", figures=figures, queries=queries))
    assert [figure["key"] for figure in data["figures"]] == ["motion_1", "motion_4", "motion_5"]
    assert data["queries"][0]["results"] == [[1, 0.9, False], [0, 0.5, True]]
    assert data["queries"][0]["relevant"] == 2
    assert data["queries"][1]["figure"] == 2
    assert data["queries"][1]["texts"] == [["a jump", 0.7, False], ["a walk", 0.1, True]]


def test_truth_is_null_when_it_is_not_known(tmp_path):
    data = data_of(write(tmp_path / "page.html", figures=[still()], queries=[Query(text="any", results=((0, 0.5),))]))
    assert data["queries"][0]["results"] == [[0, 0.5, None]]


def test_hostile_captions_stay_data(tmp_path):
    plain = write(tmp_path / "plain.html", figures=[still()], queries=[Query(text="a walk", results=((0, 0.5),))])
    queries = [Query(text=text, results=((0, 0.5),), texts=((text, 0.1),)) for text in HOSTILE]
    figure = still(HOSTILE[0], captions=tuple(HOSTILE))
    path = write(tmp_path / "page.html", figures=[figure], queries=queries, title=HOSTILE[0])
    data = data_of(path)
    assert data["figures"][0]["captions"] == HOSTILE
    assert [query["text"] for query in data["queries"]] == HOSTILE
    elements = Elements(path.read_text(encoding="utf-8"))
    assert elements.tags == Elements(plain.read_text(encoding="utf-8")).tags
    assert elements.title == HOSTILE[0]


def test_the_page_names_nothing_to_load_and_runs_only_its_own_script(tmp_path):
    path = write(tmp_path / "page.html", figures=[still()], queries=[Query(text="any", results=((0, 0.5),))])
    text = path.read_text(encoding="utf-8")
    elements = Elements(text)
    loaded = [value for name, value in elements.attributes if name in {"src", "href", "srcset", "action"}]
    assert loaded == ["data:,"]
    assert not re.search(r"https?:|\bfetch\(|XMLHttpRequest|\bimport\b|@import|url\(", text)
    for tag, source in {"script": r"<script>(.*?)</script>", "style": r"<style>(.*?)</style>"}.items():
        (content,) = re.findall(source, text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in text
    assert "default-src 'none'" in text


def test_two_hundred_queries_over_many_figures_stay_below_five_megabytes(tmp_path):
    figures = [still(f"motion_{index}", num_frames=60, seed=index) for index in range(250)]
    queries = [
        Query(text=f"query {index}", results=tuple(((index * 8 + rank) % 250, 1 - rank / 8) for rank in range(8)))
        for index in range(200)
    ]
    path = write(tmp_path / "page.html", figures=figures, queries=queries)
    assert len(data_of(path)["figures"]) == 250
    assert path.stat().st_size < 5_000_000


def test_a_page_of_sentences_alone_needs_no_figure(tmp_path):
    queries = [Query(text="a walk", texts=(("a stroll", 0.9),))]
    data = data_of(write(tmp_path / "page.html", figures=[], queries=queries))
    assert data["figures"] == []
    assert data["body"] is None


@pytest.mark.parametrize(
    ("figures", "queries", "message"),
    [
        ([], [], "there are no queries; give at least one"),
        ([still()], [Query(text="far", results=((1, 0.5),))], "query 'far': shows figure 1; there are figures 0 to 0"),
        ([still()], [Query(text="below", results=((-1, 0.5),))], "query 'below': shows figure -1"),
        (
            [Figure(key="mm", captions=(), fps=20.0, positions=1700 * np.eye(25, 3)[None])],
            [Query(text="any", results=((0, 0.5),))],
            "mm: spans 1700 metres; convert the positions to metres",
        ),
        (
            [still(), Figure(key="short", captions=(), fps=20.0, positions=np.zeros((2, 15, 3)))],
            [Query(text="any", results=((0, 0.5), (1, 0.4)))],
            "short: 15 joints; the skeleton has 25",
        ),
    ],
)
def test_what_cannot_be_shown_is_refused(tmp_path, figures, queries, message):
    with pytest.raises(DataError, match=re.escape(message)):
        write(tmp_path / "page.html", figures=figures, queries=queries)


def test_a_place_that_cannot_be_written_is_an_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="cannot be written"):
        write(tmp_path / "file" / "page.html", figures=[still()], queries=[Query(text="any", results=((0, 0.5),))])


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"positions": np.zeros((0, 25, 3))}, "at least one frame"),
        ({"positions": np.full((2, 25, 3), np.nan)}, "frame 0 holds a value that is not finite"),
        ({"fps": 0.0}, "fps is 0.0"),
    ],
)
def test_a_broken_figure_is_refused(fields, message):
    with pytest.raises(DataError, match=message):
        Figure(**{"key": "any", "captions": (), "fps": 20.0, "positions": np.zeros((2, 25, 3)), **fields})


def test_a_query_without_answers_or_with_a_broken_score_is_refused():
    with pytest.raises(DataError, match="nothing is retrieved"):
        Query(text="any")
    with pytest.raises(DataError, match="a score is not finite"):
        Query(text="any", results=((0, float("nan")),))


def chain_positions(skeleton: Skeleton, lengths: list[float]) -> np.ndarray:
    """Places every joint straight above its parent, at the length of its bone."""
    heights = np.zeros(skeleton.num_joints)
    for joint in range(1, skeleton.num_joints):
        heights[joint] = heights[skeleton.parents[joint]] + lengths[joint]
    return np.stack([np.zeros_like(heights), heights, np.zeros_like(heights)], axis=-1)[None]


def test_the_body_of_a_detailed_skeleton_has_shoulders_hips_waist_and_head():
    skeleton = skeleton_of(JOINTS_25)
    body = Body.of(skeleton, [chain_positions(skeleton, LENGTHS_25)])
    names = skeleton.joint_names
    assert [[names[joint] for joint in group] for group in body.trunk] == [
        ["LeftArm", "RightArm", "Spine1", "Spine"],
        ["LeftUpLeg", "RightUpLeg", "Hips", "Spine"],
    ]
    assert body.head is not None
    assert names[body.head.joint] == "Head"
    sides = {(names[parent], names[child]): side for parent, child, side in body.bones}
    assert sides["LeftArm", "LeftForeArm"] == "left"
    assert sides["RightLeg", "RightFoot"] == "right"
    assert sides["Spine1", "Neck"] == "middle"
    assert ("Spine1", "LeftShoulder") not in sides


def test_the_body_of_a_plain_skeleton_has_its_head_on_the_neck():
    skeleton = skeleton_of(JOINTS_15)
    lengths = [0, 0.23, 0.22, 0.08, 0.4, 0.4, 0.18, 0.28, 0.25, 0.08, 0.4, 0.4, 0.18, 0.28, 0.25]
    body = Body.of(skeleton, [chain_positions(skeleton, lengths)])
    names = skeleton.joint_names
    assert [[names[joint] for joint in group] for group in body.trunk] == [
        ["left_shoulder", "right_shoulder", "chest", "chest"],
        ["left_hip", "right_hip", "root", "chest"],
    ]
    assert body.head is not None
    assert names[body.head.joint] == "neck"
    assert body.head.lift > body.head.radius


def test_limbs_taper_away_from_the_trunk():
    skeleton = skeleton_of(JOINTS_25)
    radii = Body.of(skeleton, [chain_positions(skeleton, LENGTHS_25)]).radii
    thigh, knee, ankle, toe = radii[1:5]
    assert thigh > knee > ankle >= toe > 0


def test_a_skeleton_without_sides_is_drawn_as_bare_limbs():
    skeleton = Skeleton(joint_names=("a", "b", "c"), parents=(-1, 0, 1))
    body = Body.of(skeleton, [np.arange(9.0).reshape(1, 3, 3)])
    assert body.trunk == ()
    assert [side for _, _, side in body.bones] == ["middle", "middle"]


def test_a_single_joint_has_neither_limbs_nor_head():
    body = Body.of(Skeleton(joint_names=("Hips",), parents=(-1,)), [np.zeros((1, 1, 3))])
    assert (body.bones, body.trunk, body.head) == ((), (), None)
