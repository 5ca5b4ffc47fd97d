import numpy as np
import pytest

from jaxmm.evaluate.intervals import ScoredQueries, bootstrap_intervals


def scored(queries, **values):
    return ScoredQueries(queries=np.asarray(queries), gallery=9, values=values)


def naive_intervals(parts, num_queries, num_resamples):
    """Draws queries, repeats each part's values as often as they were drawn, and averages over the parts."""
    rng = np.random.default_rng(0)
    draws = {name: [] for name in parts[0].values}
    for _ in range(num_resamples):
        drawn = rng.integers(num_queries, size=num_queries).tolist()
        for name, of_draws in draws.items():
            sums = []
            for part in parts:
                of_query = dict(zip(part.queries.tolist(), part.values[name], strict=True))
                values = [of_query[query] for query in drawn if query in of_query]
                if values:
                    sums.append(np.median(values) if name == "median_rank" else np.mean(values))
            of_draws.append(np.mean(sums))
    return {name: tuple(np.quantile(own, [0.025, 0.975])) for name, own in draws.items()}


@pytest.mark.parametrize("galleries", [[range(12)], [range(5), range(5, 12), (0, 7, 11)]], ids=["one", "three"])
def test_intervals_are_those_of_repeated_values(galleries):
    rng = np.random.default_rng(1)
    parts = []
    for queries in galleries:
        ranks = rng.integers(1, 9, len(queries)).astype(float)
        parts.append(
            scored(list(queries), **{"recall@1": (ranks == 1) * 1.0, "median_rank": ranks, "mean_rank": ranks})
        )
    ours = bootstrap_intervals(parts, num_resamples=60)
    expected = naive_intervals(parts, 12, 60)
    assert ours.keys() == expected.keys()
    for name in expected:
        assert ours[name] == pytest.approx(expected[name])


def test_the_interval_covers_the_truth_about_as_often_as_it_says():
    rng = np.random.default_rng(0)
    truth = {"recall@1": 0.4, "mean_rank": 6.0}
    covered = dict.fromkeys(truth, 0)
    for _ in range(200):
        ranks = 1.0 + rng.poisson(5.0, 150)
        values = {"recall@1": (rng.random(150) < 0.4) * 1.0, "mean_rank": ranks}
        found = bootstrap_intervals([scored(np.arange(150), **values)], num_resamples=200)
        for name, (low, high) in found.items():
            covered[name] += low <= truth[name] <= high
    # 95% of 200 is 190; four standard deviations of a count are 12, and 200 draws blur the ends.
    assert 176 <= covered["recall@1"] <= 200
    assert 176 <= covered["mean_rank"] <= 200


def test_the_same_seed_draws_the_same_interval_and_values_without_spread_have_none():
    values = {"mrr": np.linspace(0, 1, 30), "recall@1": np.ones(30)}
    first, again = (bootstrap_intervals([scored(np.arange(30), **values)], num_resamples=50) for _ in range(2))
    other = bootstrap_intervals([scored(np.arange(30), **values)], num_resamples=50, seed=1)
    assert first == again != other
    assert first["recall@1"] == (1.0, 1.0)
    low, high = first["mrr"]
    assert low < 0.5 < high
