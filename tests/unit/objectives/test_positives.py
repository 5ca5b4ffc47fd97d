import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxmm.objectives.positives import same_texts, similar_rows

texts = st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=4).map(tuple), min_size=5, max_size=5)


def tokens(texts, filler):
    mask = np.arange(5) < np.array([[len(text)] for text in texts])
    ids = np.full((len(texts), 5), filler, np.int32)
    for row, text in zip(ids, texts, strict=True):
        row[: len(text)] = text
    return jnp.asarray(ids), jnp.asarray(mask)


@settings(max_examples=30, deadline=None)
@given(texts, st.integers(0, 9))
def test_texts_are_the_same_where_their_valid_tokens_are_whatever_the_padding(texts, filler):
    expected = [[one == other for other in texts] for one in texts]
    assert same_texts(*tokens(texts, filler)).tolist() == expected


def test_rows_are_similar_from_the_threshold_on_whatever_their_length():
    angles = np.radians([0, 30, 60])
    rows = jnp.asarray(np.stack([np.cos(angles), np.sin(angles)], 1) * [[1], [100], [0.01]], jnp.float32)
    assert similar_rows(rows, 0.8).tolist() == [[True, True, False], [True, True, True], [False, True, True]]


def test_zero_rows_are_like_nothing_and_no_gradient_passes():
    rows = jnp.array([[0.0, 0.0], [1.0, 0.0]])
    assert similar_rows(rows, 0.5).tolist() == [[False, False], [False, True]]
    gradient = jax.grad(lambda rows: jnp.where(similar_rows(rows, 0.5), 1.0, 0.0).sum())(rows)
    assert not np.asarray(gradient).any()
