"""Our networks of video similarity against seed 003 in torch, in training and in use, by the weights that it saves."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxmm.encoders.layers import mean_over_valid
from jaxmm.encoders.similarity import (
    AttentionEncoder,
    EmbeddingTrunk,
    MultiScaleEncoder,
    PairHead,
    PooledTrunk,
    SiameseNetwork,
    embed_together,
)
from jaxmm.encoders.similarity.attention import MeanAttention
from jaxmm.encoders.similarity.fusion import FeatureFusion
from jaxmm.encoders.similarity.pairs import pair_distance
from jaxmm.encoders.transformer import Attention
from jaxmm.optim import path_name
from jaxmm.weights.rules import import_tree
from jaxmm.weights.similarity import load_similarity, similarity_table, split_attention

from . import torch_similarity
from .torch_similarity import torch

VALUE_TOLERANCE, GRADIENT_TOLERANCE = 1e-5, 1e-4
BATCH, TIME, DIM, NUM_HEADS = 6, 5, 32, 4
TRUNK = EmbeddingTrunk(dropout_rate=0.0)
NETWORKS = {
    "siamese": SiameseNetwork(encoder=PooledTrunk(trunk=TRUNK), head=PairHead(kind="concatenation", dropout_rate=0.0)),
    "attention": SiameseNetwork(
        encoder=AttentionEncoder(
            num_heads=NUM_HEADS,
            positions=False,
            trunk=EmbeddingTrunk(hidden_dims=(512,), batch_norm=True, dropout_rate=0.0),
        ),
        head=PairHead(kind="concatenation", hidden_dims=(128,), dropout_rate=0.0),
    ),
    "triplet": PooledTrunk(trunk=TRUNK.clone(batch_norm=True, unit_norm=True)),
}
MODELS = {
    "siamese": lambda: torch_similarity.VideoSiameseNetwork(DIM, dropout=0.0),
    "attention": lambda: torch_similarity.AttentionBasedSiamese(DIM, num_heads=NUM_HEADS, dropout=0.0),
    "triplet": lambda: torch_similarity.VideoTripletNetwork(DIM, dropout=0.0),
}


@pytest.fixture(params=NETWORKS)
def name(request):
    return request.param


@pytest.fixture(scope="module")
def roles():
    return jnp.asarray(np.random.default_rng(0).normal(1.0, 2.0, size=(3, BATCH, TIME, DIM)).astype(np.float32))


def torch_model(name):
    """A model with running statistics as after some training."""
    torch.manual_seed(0)
    model = MODELS[name]()
    for own, buffer in model.named_buffers():
        if own.endswith("running_mean"):
            buffer.normal_(std=0.3)
        elif own.endswith("running_var"):
            buffer.uniform_(0.5, 2)
    if name == "attention":
        with torch.no_grad():
            model.attention.in_proj_bias.normal_(std=0.3)
            model.attention.out_proj.bias.normal_(std=0.3)
    return model


def num_roles(name):
    return 3 if name == "triplet" else 2


def arguments(name, roles):
    """Frames and mask of each role that a network takes; of the triplet's encoder, those of one."""
    mask = jnp.ones((BATCH, TIME), bool)
    return tuple(part for role in roles[: 1 if name == "triplet" else 2] for part in (jnp.asarray(role), mask))


def tree(name, tensors):
    """Torch's tensors under our names; what torch's parameters have no gradient of, its statistics, as zeros."""
    module, given = NETWORKS[name], {own: tensor.detach().numpy().copy() for own, tensor in tensors.items()}
    frames = np.zeros((2, BATCH, TIME, DIM), np.float32)
    shapes = jax.eval_shape(lambda: module.init(jax.random.key(0), *arguments(name, frames), deterministic=True))
    table = similarity_table(module)
    given = split_attention(given)
    for rule in table.rules:
        if rule.ours.startswith("batch_stats") and rule.foreign not in given:
            shape = given[f"{rule.foreign.rpartition('.')[0]}.weight"].shape
            given[rule.foreign] = np.zeros(shape, np.float32)
    return import_tree(given, table, shapes)


def run(name, variables, roles, *, train):
    """Returns embeddings of all roles, in one batch as `torch_run` has it, logits or zeros, and statistics."""
    module, rest = NETWORKS[name], {"deterministic": not train, "mutable": ["batch_stats"]}
    if name != "triplet":
        (a, b, logits), changed = module.apply(variables, *arguments(name, roles), **rest)
        return jnp.stack([a, b]), logits, changed
    changes = []

    def embed(frames, mask):
        found, changed = module.apply(variables, frames, mask, **rest)
        changes.append(changed)
        return found

    mask = jnp.ones((BATCH, TIME), bool)
    found = embed_together(embed, *((role, mask) for role in roles))
    return jnp.stack(found), jnp.zeros(BATCH), changes[0]


def torch_run(name, model, roles):
    together = torch.tensor(np.asarray(roles)[: num_roles(name)]).reshape(-1, TIME, DIM)
    embeddings = model.embed(together).reshape(num_roles(name), BATCH, -1)
    logits = torch.zeros(BATCH) if name == "triplet" else torch_similarity.compare(model, *embeddings)
    return embeddings, logits


def assert_close(ours, theirs, tolerance):
    assert jax.tree.structure(ours) == jax.tree.structure(theirs)
    for (path, leaf), wanted in zip(jax.tree_util.tree_leaves_with_path(ours), jax.tree.leaves(theirs), strict=True):
        np.testing.assert_allclose(leaf, wanted, rtol=0, atol=tolerance, err_msg=path_name(path))


@pytest.mark.parametrize("train", [False, True], ids=["use", "training"])
def test_embeddings_logits_and_running_statistics_are_torchs(name, train, roles):
    model = torch_model(name).train(train)
    variables = tree(name, model.state_dict())
    with torch.no_grad():
        embeddings, logits = torch_run(name, model, roles)
    ours = jax.jit(lambda variables, roles: run(name, variables, roles, train=train))(variables, roles)
    np.testing.assert_allclose(ours[0], embeddings, rtol=0, atol=VALUE_TOLERANCE)
    np.testing.assert_allclose(ours[1], logits, rtol=0, atol=VALUE_TOLERANCE)
    if name != "siamese":
        assert_close(dict(ours[2]), {"batch_stats": tree(name, model.state_dict())["batch_stats"]}, VALUE_TOLERANCE)
        moved = jax.tree.map(
            lambda new, old: float(np.abs(new - old).max()), ours[2]["batch_stats"], variables["batch_stats"]
        )
        assert min(jax.tree.leaves(moved)) > 1e-3 if train else max(jax.tree.leaves(moved)) == 0


def test_gradients_are_torchs(name, roles):
    model = torch_model(name).train()
    variables = tree(name, model.state_dict())
    weights = np.random.default_rng(1).normal(size=(3, BATCH, 128)).astype(np.float32)[: num_roles(name)]

    @jax.jit
    def gradients(params):
        def total(params):
            embeddings, logits, _ = run(name, {**variables, "params": params}, roles, train=True)
            return (embeddings * weights).sum() + jnp.square(logits - 1).sum()

        return jax.grad(total)(params)

    embeddings, logits = torch_run(name, model, roles)
    ((embeddings * torch.from_numpy(weights)).sum() + (logits - 1).square().sum()).backward()
    theirs = tree(name, {own: parameter.grad for own, parameter in model.named_parameters()})["params"]
    assert max(np.abs(leaf).max() for leaf in jax.tree.leaves(theirs)) > 1
    for (path, leaf), wanted in zip(
        jax.tree_util.tree_leaves_with_path(gradients(variables["params"])), jax.tree.leaves(theirs), strict=True
    ):
        scale = max(1.0, float(np.abs(wanted).max()))
        np.testing.assert_allclose(
            leaf / scale, wanted / scale, rtol=0, atol=GRADIENT_TOLERANCE, err_msg=path_name(path)
        )


def test_parameter_counts_are_the_seeds_at_its_sizes():
    frames, mask = jnp.zeros((1, 1, 2048)), jnp.ones((1, 1), bool)

    def count(module, *arguments):
        shapes = jax.eval_shape(lambda: module.init(jax.random.key(0), *arguments, deterministic=True))["params"]
        return sum(leaf.size for leaf in jax.tree.leaves(shapes))

    trunk, triplet = PooledTrunk(), PooledTrunk(trunk=EmbeddingTrunk(batch_norm=True, unit_norm=True))
    attention = SiameseNetwork(
        encoder=AttentionEncoder(positions=False),
        head=PairHead(kind="concatenation", hidden_dims=(128,), dropout_rate=0.0),
    )
    siamese = SiameseNetwork(head=PairHead(kind="concatenation"))
    theirs = (
        torch_similarity.VideoSiameseNetwork,
        torch_similarity.VideoTripletNetwork,
        torch_similarity.AttentionBasedSiamese,
    )
    assert count(trunk, frames, mask) == 1_213_312
    ours = (
        count(siamese, frames, mask, frames, mask),
        count(triplet, frames, mask),
        count(attention, frames, mask, frames, mask),
    )
    assert ours == (1_213_312 + 41_217, 1_214_848, 17_934_209)
    with torch.device("meta"):
        assert ours == tuple(sum(own.numel() for own in kind().parameters()) for kind in theirs)


@pytest.mark.parametrize("lengths", [(TIME,) * BATCH, (5, 1, 3, 2, 4, 0)], ids=["full", "padded"])
def test_the_mean_of_attention_is_attention_and_then_a_mean(lengths, roles):
    mask = jnp.arange(TIME)[None] < jnp.array(lengths)[:, None]
    frames = jnp.where(mask[..., None], roles[0], 7.0)
    variables = tree("attention", torch_model("attention").state_dict())["params"]["encoder"]["attention"]
    weights = np.random.default_rng(1).normal(size=(BATCH, DIM)).astype(np.float32)
    weights[[length == 0 for length in lengths]] = 0  # of no frame, the one has a bias and the other has nothing

    def quick(params):
        return MeanAttention(NUM_HEADS).apply({"params": params}, frames, mask)

    def plain(params):
        attention = Attention(num_heads=NUM_HEADS)
        return mean_over_valid(attention.apply({"params": params}, frames, frames, mask, deterministic=True), mask)

    @jax.jit
    def both(params):
        return [
            (*jax.value_and_grad(lambda params, own=own: (own(params) * weights).sum())(params), own(params))
            for own in (quick, plain)
        ]

    (_, gradient, found), (_, wanted_gradient, wanted) = both(variables)
    seen = np.array(lengths) > 0
    np.testing.assert_allclose(found[seen], wanted[seen], rtol=0, atol=VALUE_TOLERANCE)
    assert_close(gradient, wanted_gradient, GRADIENT_TOLERANCE)


def test_scales_and_fusion_are_torchs(roles):
    torch.manual_seed(0)
    scales = torch_similarity.MultiScaleProcessor(DIM)
    fusion = torch_similarity.FeatureFusionModule((DIM, 3), fusion_dim=8).eval()
    frames = np.concatenate([roles[0], roles[1][:, :3]], axis=1)  # eight, which every scale divides

    def dense(layer):
        weight = layer.weight.detach().numpy()
        kernel = weight.transpose(2, 1, 0).reshape(-1, weight.shape[0]) if weight.ndim == 3 else weight.T
        return {"kernel": jnp.asarray(kernel), "bias": jnp.asarray(layer.bias.detach().numpy())}

    same = {"out": {"kernel": jnp.eye(DIM), "bias": jnp.zeros(DIM)}}
    ours = {f"scale_{scale}": dense(own) for scale, own in zip((1, 2, 4), scales.processors, strict=True)}
    encoder = MultiScaleEncoder(dim=DIM, rectified=False, trunk=EmbeddingTrunk(hidden_dims=(), embedding_dim=DIM))
    found = encoder.apply(
        {"params": {**ours, "fusion": dense(scales.fusion), "trunk": same}},
        jnp.asarray(frames),
        jnp.ones(frames.shape[:2], bool),
        deterministic=True,
    )
    features = [frames[:, 0], frames[:, 1, :3]]
    parts = {f"in_{place}": dense(own) for place, own in enumerate(fusion.projections)}
    fused = FeatureFusion(fusion_dim=8).apply(
        {"params": {**parts, "out": dense(fusion.fusion[0])}},
        [jnp.asarray(own) for own in features],
        deterministic=True,
    )
    with torch.no_grad():
        wanted = scales(torch.tensor(np.asarray(frames))).numpy()
        wanted_fused = fusion([torch.tensor(np.asarray(own)) for own in features]).numpy()
    np.testing.assert_allclose(found, wanted, rtol=0, atol=VALUE_TOLERANCE)
    np.testing.assert_allclose(fused, wanted_fused, rtol=0, atol=VALUE_TOLERANCE)


def test_distances_are_torchs(roles):
    a, b = roles[0, :, 0], roles[1, :, 0]
    wanted = torch.nn.functional.pairwise_distance(torch.tensor(np.asarray(a)), torch.tensor(np.asarray(b))).numpy()
    np.testing.assert_allclose(pair_distance(jnp.asarray(a), jnp.asarray(b)), wanted, rtol=1e-6)
    equal = torch.nn.functional.pairwise_distance(torch.tensor(np.asarray(a)), torch.tensor(np.asarray(a))).numpy()
    np.testing.assert_allclose(pair_distance(jnp.asarray(a), jnp.asarray(a)), equal, rtol=1e-5)


def test_a_file_that_torch_saved_is_read_to_the_bit(name, tmp_path):
    model = torch_model(name)
    torch.save(model.state_dict(), tmp_path / "model.pth")
    found = load_similarity(str(tmp_path / "model.pth"), NETWORKS[name], feature_dim=DIM)
    assert jax.tree.all(jax.tree.map(np.array_equal, found, dict(tree(name, model.state_dict()))))
