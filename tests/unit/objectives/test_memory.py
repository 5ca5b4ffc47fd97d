import jax
import jax.numpy as jnp
import numpy as np

from jaxmm.objectives.memory import Memory


def put(memory, labels, mask=None):
    labels = jnp.asarray(labels)
    rows = jnp.stack([labels, -labels], axis=1).astype(float)
    return memory.enqueue(rows, labels, labels + 100, example_mask=None if mask is None else jnp.asarray(mask))


def held(memory):
    """Labels from the oldest on."""
    order = np.roll(np.arange(len(memory.labels)), -int(memory.position))
    kept = order[np.asarray(memory.valid)[order]]
    labels = np.asarray(memory.labels)[kept]
    np.testing.assert_array_equal(np.asarray(memory.groups)[kept], labels + 100)
    np.testing.assert_array_equal(np.asarray(memory.embeddings)[kept], np.stack([labels, -labels], axis=1))
    return labels.tolist()


def test_first_in_is_first_out():
    memory = put(Memory.empty(5, dim=2), [1, 2, 3])
    assert held(memory) == [1, 2, 3]
    memory = put(memory, [4, 5, 6])
    assert held(memory) == [2, 3, 4, 5, 6]
    assert held(put(memory, [7])) == [3, 4, 5, 6, 7]


def test_of_a_batch_longer_than_it_the_last_stay():
    assert held(put(put(Memory.empty(3, dim=2), [1, 2]), [3, 4, 5, 6, 7])) == [5, 6, 7]


def test_fill_rows_are_not_kept():
    memory = put(Memory.empty(3, dim=2), [1, 2, 3, 4], [True, False, True, False])
    assert held(memory) == [1, 3]
    jax.tree.map(np.testing.assert_array_equal, memory, put(memory, [8, 9], [False, False]))


def test_no_gradient_passes_into_it():
    def kept(rows):
        labels = jnp.arange(2)
        return Memory.empty(3, dim=2).enqueue(rows, labels, labels).embeddings.sum()

    assert not jax.grad(kept)(jnp.ones((2, 2))).any()
