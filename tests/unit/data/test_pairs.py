import pytest

from jaxmm.data.pairs import VideoPair, list_pairs

VIDEOS = {"a.mp4", "b.mp4", "c, d.mp4"}


def listed(tmp_path, text):
    (tmp_path / "pairs.csv").write_text(text)
    pairs, problems = list_pairs(tmp_path / "pairs.csv", videos=VIDEOS)
    return pairs, [problem.message.replace(f"{tmp_path}/", "") for problem in problems]


def test_a_table_names_pairs_with_their_truth_and_perhaps_their_kind(tmp_path):
    pairs, problems = listed(tmp_path, 'kind,a,b,label,note\ncropped,a.mp4,b.mp4,1,x\n,b.mp4,"c, d.mp4", 0 ,\n')
    assert not problems
    assert pairs == [
        VideoPair(a="a.mp4", b="b.mp4", same=True, kind="cropped"),
        VideoPair(a="b.mp4", b="c, d.mp4", same=False),
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a,b,label\na.mp4,e.mp4,1\n", "pairs.csv:2: 'b' is 'e.mp4', which is no video here; correct it, or add"),
        ("a,b,label\na.mp4,b.mp4,2\n", "pairs.csv:2: 'label' is '2'; give 1 of the same videos, 0 of different ones"),
        ("a,b,label\na.mp4,b.mp4,true\n", "pairs.csv:2: 'label' is 'true'; give 1"),
        ("a,b,label\na.mp4,b.mp4,\n", "pairs.csv:2: 'label' is empty; fill it in"),
        ("a,b\na.mp4,b.mp4\n", "pairs.csv:1: columns are 'a, b'; give label too"),
        (
            "a,b,label\na.mp4,b.mp4,1\nb.mp4,a.mp4,0\n",
            "pairs.csv:3: the pair 'b.mp4', 'a.mp4' has the label 0, but pai",
        ),
        (
            "a,b,label\na.mp4,b.mp4,1\na.mp4,b.mp4,1\n",
            "pairs.csv:3: the pair 'a.mp4', 'b.mp4' was named at pairs.csv:2",
        ),
        ("a,b,label\na.mp4,a.mp4,1\n", "pairs.csv:2: pairs 'a.mp4' with itself; name two videos"),
        ("a,b,label\n", "pairs.csv: has a header and no rows"),
    ],
)
def test_what_is_wrong_with_a_table_of_pairs_is_named_by_its_line(text, expected, tmp_path):
    _, (message,) = listed(tmp_path, text)
    assert message.startswith(expected), message


def test_every_bad_row_is_named_and_the_others_are_read(tmp_path):
    text = "a,b,label\na.mp4,e.mp4,1\na.mp4,b.mp4,1\nb.mp4,a.mp4,7\n"
    pairs, problems = listed(tmp_path, text)
    assert len(pairs) == 1
    assert [message.split(": ")[0] for message in problems] == ["pairs.csv:2", "pairs.csv:4"]


def test_a_table_that_is_not_there_is_named(tmp_path):
    _, (problem,) = list_pairs(tmp_path / "none.csv", videos=VIDEOS)
    assert "none.csv: cannot be read" in problem.message
