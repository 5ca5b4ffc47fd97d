"""ResNet against transformers', and against a plain torch network under timm's names: a small one, and ResNet-50."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxmm.encoders.resnet import ResNet
from jaxmm.hub import find_checkpoint
from jaxmm.weights.files import write_checkpoint
from jaxmm.weights.resnet import load_resnet, read_resnet, resnet_shapes, timm_table
from jaxmm.weights.rules import export_tree, import_tree

from .torch_resnet import TorchResNet

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

TOLERANCE = 1e-4
SMALL = ResNet(stem_dim=8, dims=(16, 24, 32), depths=(2, 1, 2))


def settle(model, seed):
    """Gives every tensor values that are told from each other and keep activations near one, as training does."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            if name.endswith("running_var"):
                tensor.uniform_(0.5, 2, generator=generator)
            elif tensor.ndim == 1:
                tensor.normal_(0.3 if name.endswith("weight") else 0.0, 0.2, generator=generator)
            elif tensor.ndim:
                tensor.normal_(std=(2 / tensor[0].numel()) ** 0.5, generator=generator)
    return model.eval()


def images(height, width):
    return jnp.asarray(np.random.default_rng(0).normal(size=(2, height, width, 3)), jnp.float32)


def channels_first(pictures):
    return torch.tensor(np.ascontiguousarray(np.asarray(pictures).transpose(0, 3, 1, 2)))


@pytest.fixture(scope="module")
def apply():
    """Compiled once for each module and size."""
    return jax.jit(lambda module, variables, pictures: module.apply(variables, pictures), static_argnums=0)


def assert_close(ours, theirs):
    theirs = theirs.detach().numpy()
    spread = float(theirs.std())
    assert 0.01 < spread < 100
    np.testing.assert_allclose(np.asarray(ours), theirs, rtol=0, atol=TOLERANCE * max(1.0, float(np.abs(theirs).max())))


@pytest.mark.parametrize("of_images", [False, True])
@pytest.mark.parametrize("module", [SMALL, ResNet()], ids=["small", "resnet50"])
def test_features_equal_those_of_transformers(apply, module, of_images, tmp_path):
    """Also of a checkpoint that has a classifier, whose names have a prefix."""
    if of_images and module != SMALL:
        pytest.skip("the small one tells")
    config = transformers.ResNetConfig(
        embedding_size=module.stem_dim, hidden_sizes=list(module.dims), depths=list(module.depths)
    )
    kind = transformers.ResNetForImageClassification if of_images else transformers.ResNetModel
    model = settle(kind(config), 1)
    model.save_pretrained(tmp_path)
    assert read_resnet(find_checkpoint(str(tmp_path))) == module
    pictures = images(64, 45) if module == SMALL else images(64, 64)
    ours = apply(module, load_resnet(tmp_path, module), pictures)
    backbone = model.resnet if of_images else model
    with torch.no_grad():
        assert_close(ours, backbone(channels_first(pictures)).pooler_output[:, :, 0, 0])


@pytest.fixture(scope="module")
def timm(tmp_path_factory):
    """A plain torch ResNet-50, and the folder of its checkpoint as timm's are on the hub."""
    folder, model = tmp_path_factory.mktemp("timm"), settle(TorchResNet(num_classes=10), 2)
    tensors = {name: tensor.numpy() for name, tensor in model.state_dict().items()}
    write_checkpoint(folder, tensors, {"architecture": "resnet50", "num_classes": 10, "num_features": 2048})
    return model, folder


def test_features_equal_those_of_a_plain_network_under_the_names_of_timm(apply, timm):
    model, folder = timm
    pictures = images(64, 64)
    with torch.no_grad():
        assert_close(apply(ResNet(), load_resnet(folder, ResNet()), pictures), model(channels_first(pictures)))


def test_every_tensor_of_timm_is_read_to_the_bit(timm):
    model, folder = timm
    written = export_tree(load_resnet(folder, ResNet()), timm_table(ResNet()))
    theirs = {name: tensor.numpy() for name, tensor in model.state_dict().items() if not name.startswith("fc.")}
    assert {*written} == {name for name in theirs if not name.endswith("num_batches_tracked")}
    assert all(np.array_equal(value, theirs[name]) for name, value in written.items())


def test_resnet50_has_as_many_parameters_as_torchs_without_the_classifier(timm):
    model, folder = timm
    own = sum(leaf.size for leaf in jax.tree.leaves(load_resnet(folder, ResNet())["params"]))
    assert own == 23_508_032
    assert own == sum(value.numel() for name, value in model.named_parameters() if not name.startswith("fc."))


def test_gradients_with_fixed_statistics_equal_torch():
    """Of a network of widths that no architecture of timm has."""
    model = settle(TorchResNet(stem_dim=8, dims=(16, 24, 32), depths=(2, 1, 2), num_classes=2), 3)
    tensors = {name: tensor.numpy() for name, tensor in model.state_dict().items()}
    variables = import_tree(tensors, timm_table(SMALL), resnet_shapes(SMALL))
    pictures = images(32, 32)
    weight = np.random.default_rng(4).normal(size=(2, 32)).astype(np.float32)
    (model(channels_first(pictures)) * torch.tensor(weight)).sum().backward()

    def loss(params):
        return jnp.sum(SMALL.apply({**variables, "params": params}, pictures) * weight)

    gradients = jax.jit(jax.grad(loss))(variables["params"])
    ours = export_tree({**variables, "params": gradients}, timm_table(SMALL))
    compared = {name: own.grad for name, own in model.named_parameters() if own.grad is not None}
    assert len(compared) == len(jax.tree.leaves(gradients))
    for name, theirs in compared.items():
        bound = TOLERANCE * max(1.0, float(theirs.abs().max()))
        np.testing.assert_allclose(ours[name], theirs.numpy(), rtol=0, atol=bound, err_msg=name)
