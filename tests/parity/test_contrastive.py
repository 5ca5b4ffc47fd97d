"""NT-Xent, the sigmoid loss and false negatives against torch and the papers' formulas, and InfoNCE in chunks."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxmm.objectives.contrastive import nt_xent, pairwise_sigmoid, symmetric_infonce
from jaxmm.objectives.reduce import masked_mean

from .torch_reference import F, torch

TOLERANCE = 1e-6
TEMPERATURE, BIAS = 0.2, -3.0
LOSSES = {
    "infonce": symmetric_infonce,
    "nt_xent": nt_xent,
    "sigmoid": lambda a, b, **settings: pairwise_sigmoid(a, b, bias=BIAS, **settings),
}


def unit_pair(num_pairs, dim=16, seed=0):
    a, noise = np.random.default_rng(seed).normal(size=(2, num_pairs, dim))
    return [np.float32(x / np.linalg.norm(x, axis=1, keepdims=True)) for x in (a, 0.5 * a + noise)]


def groups_of(num_pairs, num_groups, seed=0):
    """Which pairs share one of a few captions."""
    group = np.random.default_rng(seed).integers(num_groups, size=num_pairs)
    return group[:, None] == group[None, :]


def supcon(logits, targets, compared):
    """SupCon's L_out row by row: the mean negative log-probability of the targets among what is compared."""
    rows = []
    for row, wanted, seen in zip(logits, targets, compared, strict=True):
        rows.append(torch.logsumexp(row[seen], 0) - row[wanted].mean())
    return torch.stack(rows)


def roles(own, positives, multi_positive):
    if positives is None:
        return own, np.ones_like(own)
    return (own | positives, np.ones_like(own)) if multi_positive else (own, own | ~positives)


def torch_losses(kind, a, b, positives, multi_positive):
    """Per-pair losses of a batch without rows that only fill it."""
    num_pairs = len(a)
    own = np.eye(num_pairs, dtype=bool)
    if kind == "nt_xent":
        rows = torch.cat([a, b])
        both = None if positives is None else np.tile(positives, (2, 2))
        targets, compared = roles(np.roll(np.eye(2 * num_pairs, dtype=bool), num_pairs, 1), both, multi_positive)
        others = ~np.eye(2 * num_pairs, dtype=bool)
        return supcon(rows @ rows.T / TEMPERATURE, targets & others, compared & others).view(2, -1).mean(0)
    logits = a @ b.T / TEMPERATURE
    targets, compared = roles(own, positives, multi_positive)
    if kind == "infonce":
        return (supcon(logits, targets, compared) + supcon(logits.T, targets.T, compared.T)) / 2
    labels = torch.tensor(targets, dtype=a.dtype)
    pairs = F.binary_cross_entropy_with_logits(logits + BIAS, labels, reduction="none") * torch.tensor(compared)
    return (pairs.sum(0) + pairs.sum(1)) / 2


@pytest.mark.parametrize("false_negatives", ["keep", "mask", "multi_positive"])
@pytest.mark.parametrize("kind", LOSSES)
def test_losses_and_gradients_equal_torch_and_masked_rows_count_for_nothing(kind, false_negatives):
    a, b = unit_pair(12)
    mask = np.arange(12) % 4 != 2
    positives = None if false_negatives == "keep" else groups_of(12, 4)
    multi_positive = false_negatives == "multi_positive"

    def mean(a, b):
        losses = LOSSES[kind](
            a,
            b,
            temperature=TEMPERATURE,
            example_mask=jnp.asarray(mask),
            positives=None if positives is None else jnp.asarray(positives),
            multi_positive=multi_positive,
        )
        return masked_mean(losses, jnp.asarray(mask)), losses

    (_, losses), gradients = jax.jit(jax.value_and_grad(mean, argnums=(0, 1), has_aux=True))(a, b)
    towers = [torch.tensor(x[mask], dtype=torch.float64, requires_grad=True) for x in (a, b)]
    expected = torch_losses(kind, *towers, None if positives is None else positives[mask][:, mask], multi_positive)
    expected.mean().backward()
    np.testing.assert_allclose(np.asarray(losses)[mask], expected.detach().numpy(), rtol=TOLERANCE, atol=TOLERANCE)
    assert not np.asarray(losses)[~mask].any()
    for gradient, tower in zip(gradients, towers, strict=True):
        np.testing.assert_allclose(np.asarray(gradient)[mask], tower.grad.numpy(), rtol=0, atol=TOLERANCE)
        assert not np.asarray(gradient)[~mask].any()


def test_without_false_negatives_nt_xent_is_the_cross_entropy_of_simclr():
    a, b = unit_pair(6)
    rows = torch.tensor(np.concatenate([a, b]))
    logits = (rows @ rows.T / TEMPERATURE).fill_diagonal_(-torch.inf)
    expected = F.cross_entropy(logits, torch.arange(12).roll(6))
    ours = nt_xent(jnp.asarray(a), jnp.asarray(b), temperature=TEMPERATURE).mean()
    assert float(ours) == pytest.approx(float(expected), abs=TOLERANCE)


def test_the_mean_sigmoid_loss_is_that_of_siglip():
    a, b = (torch.tensor(x, dtype=torch.float64) for x in unit_pair(7))
    labels = 2 * torch.eye(7) - 1
    expected = -F.logsigmoid(labels * (a @ b.T * 10 - 10)).sum() / 7
    ours = pairwise_sigmoid(*map(jnp.asarray, unit_pair(7)), temperature=0.1, bias=-10.0).mean()
    assert float(ours) == pytest.approx(float(expected), abs=TOLERANCE)


@pytest.mark.parametrize("false_negatives", ["keep", "mask", "multi_positive"])
@pytest.mark.parametrize("chunk_size", [32, 512])
def test_chunks_change_neither_the_loss_nor_its_gradients(chunk_size, false_negatives):
    a, b = unit_pair(512, dim=64)
    mask = jnp.arange(512) < 500
    positives = None if false_negatives == "keep" else jnp.asarray(groups_of(512, 100))

    def mean(a, b, chunk_size):
        losses = symmetric_infonce(
            a,
            b,
            temperature=0.07,
            example_mask=mask,
            positives=positives,
            multi_positive=false_negatives == "multi_positive",
            chunk_size=chunk_size,
        )
        return masked_mean(losses, mask), losses

    run = jax.jit(jax.value_and_grad(mean, argnums=(0, 1), has_aux=True), static_argnums=2)
    (plain, plain_losses), plain_gradients = run(a, b, None)
    (loss, losses), gradients = run(a, b, chunk_size)
    assert float(loss) == pytest.approx(float(plain), abs=TOLERANCE)
    # Losses here reach 16, where one rounding is 1e-6.
    np.testing.assert_allclose(losses, plain_losses, rtol=TOLERANCE, atol=TOLERANCE)
    for gradient, expected in zip(gradients, plain_gradients, strict=True):
        np.testing.assert_allclose(gradient, expected, rtol=0, atol=TOLERANCE)
