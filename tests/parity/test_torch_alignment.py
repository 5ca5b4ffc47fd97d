"""The torch reference of semantic alignment against torch's own modules and plain loops."""

import math

import pytest

from . import torch_alignment as reference
from .torch_alignment import F, nn, torch

LENGTHS = (13, 40, 7)
TIME = 40
DIM = 12
DIMS = (10, 8, 8)  # the last level's residual is the identity


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


@pytest.fixture
def mask():
    return torch.arange(TIME) < torch.tensor(LENGTHS)[:, None]


@pytest.fixture
def features():
    return torch.randn(len(LENGTHS), TIME, DIM)


def make_model(causal=False, dropout_rate=0.0):
    model = reference.AlignmentModel(DIM, DIMS, projector_dim=16, out_dim=6, dropout_rate=dropout_rate, causal=causal)
    for name, buffer in model.named_buffers():
        if name.endswith("running_mean"):
            buffer.normal_()
        elif name.endswith("running_var"):
            buffer.uniform_(0.5, 2)
    return model


def test_shapes_at_the_seeds_sizes():
    model = reference.AlignmentModel().eval()
    assert model(torch.zeros(2, 5, 768)).shape == (2, 5, 384)
    assert model.tcn(torch.zeros(2, 5, 768)).shape == (2, 5, 64)
    dilations = [(level.conv1.dilation, level.conv2.dilation) for level in model.tcn.levels]
    assert dilations == [((1,), (1,)), ((2,), (2,)), ((4,), (4,))]


def test_masked_batch_norm_is_torchs_over_the_valid_frames(features, mask):
    norm, expected = reference.MaskedBatchNorm(DIM), nn.BatchNorm1d(DIM)
    for module in (norm, expected):
        nn.init.uniform_(module.weight, generator=torch.Generator().manual_seed(1))
        nn.init.normal_(module.bias, generator=torch.Generator().manual_seed(2))
    x, valid = features.clone().requires_grad_(), features[mask].clone().requires_grad_()
    cotangent = torch.randn(int(mask.sum()), DIM)
    for _ in range(3):
        actual = norm(x.transpose(1, 2), mask).transpose(1, 2)[mask]
        wanted = expected(valid)
        torch.testing.assert_close(actual, wanted)
    (actual * cotangent).sum().backward()
    (wanted * cotangent).sum().backward()
    torch.testing.assert_close(x.grad[mask], valid.grad)
    assert not x.grad[~mask].any()
    for name, parameter in expected.named_parameters():
        torch.testing.assert_close(getattr(norm, name).grad, parameter.grad)
    for name, buffer in expected.named_buffers():
        torch.testing.assert_close(getattr(norm, name), buffer)


@pytest.mark.parametrize("causal", [False, True])
def test_a_clip_comes_out_of_a_batch_as_it_does_alone(features, mask, causal):
    model = make_model(causal).eval()
    garbage = features.masked_fill(~mask.unsqueeze(-1), 1e6)
    together = model(garbage, mask)
    for i, length in enumerate(LENGTHS):
        alone = model(features[i : i + 1, :length])[0]
        torch.testing.assert_close(together[i, :length], alone, rtol=1e-5, atol=1e-5)


def test_training_ignores_what_padding_holds(features, mask):
    targets = torch.randn(len(LENGTHS), TIME, 6)
    results = []
    for filling in (0.0, 1e3):
        torch.manual_seed(1)
        model = make_model().train()
        padded = features.masked_fill(~mask.unsqueeze(-1), filling)
        loss = reference.alignment_loss(model(padded, mask), targets, mask)
        loss.backward()
        results.append([loss.detach(), *(p.grad for p in model.parameters()), *model.buffers()])
    torch.testing.assert_close(*results, rtol=0, atol=0)


def test_a_full_mask_is_no_mask(features):
    results = []
    for mask in (None, torch.ones(features.shape[:2], dtype=torch.bool)):
        torch.manual_seed(1)
        model = make_model().train()
        model(features, mask).square().sum().backward()
        results.append([*(p.grad for p in model.parameters()), *model.buffers()])
    torch.testing.assert_close(*results, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("causal", "before", "after"), [(False, 14, 14), (True, 28, 0)])
def test_the_receptive_field_is_29_frames(causal, before, after):
    tcn = reference.TemporalConvNet(DIM, DIMS, causal=causal).eval()
    x = torch.randn(1, 101, DIM, requires_grad=True)
    tcn(x)[0, 50].sum().backward()
    reached = x.grad[0].abs().sum(dim=-1).nonzero().flatten()
    assert before + after + 1 == 29
    assert (reached.min(), reached.max()) == (50 - before, 50 + after)


def test_a_level_is_torchs_convolutions_with_same_padding(features):
    level = reference.TemporalLevel(DIM, 5, dilation=2).eval()
    x = features.transpose(1, 2)
    main = x
    for conv, norm in ((level.conv1, level.norm1), (level.conv2, level.norm2)):
        main = F.relu(norm(F.conv1d(main, conv.weight, conv.bias, padding="same", dilation=2)))
    torch.testing.assert_close(level(x), F.relu(main + level.residual(x)))


@pytest.mark.parametrize("name", reference.FRAME_LOSSES)
def test_losses_are_means_over_valid_frames(name, mask):
    aligned, targets = torch.randn(2, len(LENGTHS), TIME, 6) * 2
    terms = []
    for i, length in enumerate(LENGTHS):
        for a, b in zip(aligned[i, :length].tolist(), targets[i, :length].tolist(), strict=True):
            pairs = list(zip(a, b, strict=True))
            mse = sum((x - y) ** 2 for x, y in pairs) / len(pairs)
            cosine = 1 - sum(x * y for x, y in pairs) / (math.hypot(*a) * math.hypot(*b))
            distances = [abs(x - y) for x, y in pairs]
            smooth = sum(d * d / 2 if d < 1 else d - 0.5 for d in distances) / len(pairs)
            terms.append(
                {"adaptive": 0.7 * cosine + 0.3 * mse, "mse": mse, "cosine": cosine, "smooth_l1": smooth}[name]
            )
    loss = reference.alignment_loss(aligned, targets, mask, name)
    assert loss.item() == pytest.approx(sum(terms) / len(terms), rel=1e-5)


def test_each_group_has_its_rate_decay_and_warm_restarts():
    model = make_model()
    optimizer = reference.make_optimizer(model)
    schedule = reference.make_schedule(optimizer)
    tcn, projector = optimizer.param_groups
    assert (tcn["weight_decay"], projector["weight_decay"]) == (1e-4, 1e-3)
    assert len(tcn["params"]) + len(projector["params"]) == len(list(model.parameters()))
    optimizer.step()
    starts, cycle = {0: 10, 10: 20, 30: 40}, None
    for epoch in range(70):
        if epoch in starts:
            start, cycle = epoch, starts[epoch]
        cosine = (1 + math.cos(math.pi * (epoch - start) / cycle)) / 2
        for group, peak in ((tcn, 1.5e-4), (projector, 3e-4)):
            assert group["lr"] == pytest.approx(1e-6 + (peak - 1e-6) * cosine)
        schedule.step()
    assert tcn["lr"] == pytest.approx(1.5e-4)


def test_steps_learn_and_gradients_are_clipped(features, mask):
    model = make_model()
    optimizer = reference.make_optimizer(model, lr=1e-2)
    targets = F.normalize(features[..., :6], dim=-1)
    losses = []
    for _ in range(30):
        loss, norm = reference.train_step(model, optimizer, features, targets, mask)
        clipped = torch.stack([p.grad.norm() for p in model.parameters()]).norm()
        assert clipped.item() == pytest.approx(min(norm.item(), 0.5), rel=1e-4)
        losses.append(loss.item())
    assert losses[-1] < losses[0] / 2


@pytest.mark.parametrize("masked", [False, True])
def test_a_step_to_be_timed_runs(masked):
    step = reference.train_step_of(batch=2, time=30, dim=16, masked=masked)
    results = torch.tensor([step() for _ in range(3)])
    assert torch.isfinite(results).all()
    assert len(results[:, 0].unique()) == 3
