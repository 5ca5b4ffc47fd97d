import numpy as np
import pytest

from jaxmm.data.order import training_order

# Of five examples, two have "a walk", one of them "a stroll" too, and three "a jump".
FEW = (("a walk", "a stroll"), ("a walk",), ("a jump",), ("a jump", "a jump"), ("a jump",))


def test_without_balance_every_example_comes_once_an_epoch_in_a_new_order():
    order = training_order(FEW, seed=0, balance=0.0)
    epochs = [[order[place] for place in range(start, start + 5)] for start in (0, 5, 10)]
    assert [sorted(epoch) for epoch in epochs] == [[0, 1, 2, 3, 4]] * 3
    assert len({tuple(epoch) for epoch in epochs}) > 1


@pytest.mark.parametrize(("balance", "weights"), [(0.5, (0.854, 0.707, 0.577, 0.577, 0.577)), (1.0, (9, 6, 4, 4, 4))])
def test_a_balanced_order_draws_rare_captions_oftener(balance, weights):
    order = training_order(FEW, seed=0, balance=balance)
    assert len(order) == 5
    drawn = np.bincount([order[place] for place in range(20_000)]) / 20_000
    np.testing.assert_allclose(drawn, np.array(weights) / sum(weights), rtol=0, atol=0.013)  # four deviations


@pytest.mark.parametrize("balance", [0.0, 0.5])
def test_an_order_depends_on_its_seed_alone(balance):
    first, again, other = (training_order(FEW * 20, seed=seed, balance=balance) for seed in (1, 1, 2))
    places = [first[place] for place in range(300)]
    assert [again[place] for place in reversed(range(300))] == places[::-1]
    assert [other[place] for place in range(300)] != places
    assert places[:100] != places[100:200]
