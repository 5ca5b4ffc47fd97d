"""One test for each decision about the dance-text system: each fails if the mistake of seed 000 came back."""

import dataclasses
import json
import math
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxmm
from jaxmm import cli, console, model
from jaxmm import run as run_module
from jaxmm.checkpoint import Checkpoints
from jaxmm.data.folder import write_motion_folder
from jaxmm.data.motion import Motion, Skeleton
from jaxmm.data.motion_text import MotionText
from jaxmm.data.sources import MotionFolder
from jaxmm.data.splits import FileSplit
from jaxmm.encoders.heads import ProjectionHead
from jaxmm.encoders.pose import PoseConvGru
from jaxmm.encoders.text import TransformerText
from jaxmm.errors import CheckpointError, ConfigError, DataError
from jaxmm.evaluate.retrieval import retrieval_metrics
from jaxmm.evaluation import evaluate
from jaxmm.experiment import Experiment, write_experiment
from jaxmm.horizon import Horizon
from jaxmm.motions import files as files_module
from jaxmm.motions import index as index_module
from jaxmm.motions.index import Index
from jaxmm.objectives.contrastive import symmetric_infonce
from jaxmm.search import ExactSearch
from jaxmm.tasks import dance_text
from jaxmm.tasks.dance_text import DanceTextTask
from jaxmm.train.loop import Loop
from jaxmm.weights.freeze import Freeze

JOINTS, FRAMES, TOKENS, BATCH = 3, 5, 4, 4
SKELETON = Skeleton(joint_names=("Hips", "LeftLeg", "RightLeg"), parents=(-1, 0, 0))
TINY = DanceTextTask(
    motion=PoseConvGru(conv_dims=(6,), hidden_dim=4, num_layers=1, dropout_rate=0.0, projection_dim=8, embedding_dim=8),
    text=TransformerText(vocab_size=40, dim=8, num_layers=1, num_heads=2, feedforward_dim=16, max_positions=8),
    text_head=ProjectionHead(hidden_dim=8, embedding_dim=8),
    freeze=Freeze("nothing"),
)


def example_batch(lengths=(5, 3, 4, 5), seed=0):
    generator = np.random.default_rng(seed)
    token_mask = np.arange(TOKENS) < generator.integers(1, TOKENS + 1, BATCH)[:, None]
    batch = {
        "motion": generator.normal(size=(BATCH, FRAMES, JOINTS, 3)).astype(np.float32),
        "motion_mask": np.arange(FRAMES) < np.array(lengths)[:, None],
        "token_ids": np.where(token_mask, generator.integers(1, 40, token_mask.shape), 0).astype(np.int32),
        "token_mask": token_mask,
        "example_mask": np.ones(BATCH, bool),
    }
    return {name: jnp.array(rows) for name, rows in batch.items()}


@pytest.fixture(scope="module")
def state():
    """A fresh state whose running statistics are not the initial ones."""
    fresh = jax.jit(TINY.init, static_argnums=2)(jax.random.key(0), example_batch(), Horizon())
    return fresh.replace(collections=jax.tree.map(lambda leaf: leaf + 0.5, fresh.collections))


@pytest.fixture(scope="module")
def experiment(tmp_path_factory):
    """Six motions, a split of them, and settings none of which is a default."""
    folder = tmp_path_factory.mktemp("data")
    generator = np.random.default_rng(1)
    motions = [
        Motion(
            key=f"motion_{number}",
            positions=generator.normal(size=(6 + number, JOINTS, 3)).astype(np.float32),
            fps=10.0,
            skeleton=SKELETON,
            captions=(f"a person moves in way {number}",),
        )
        for number in range(6)
    ]
    write_motion_folder(motions, folder / "motions")
    split = folder / "split.json"
    split.write_text(json.dumps({"train": ["motion_0", "motion_1"], "test": [f"motion_{n}" for n in range(2, 6)]}))
    return Experiment(
        task=TINY,
        data=MotionText(
            source=MotionFolder(),
            root=str(folder / "motions"),
            split=FileSplit(path=str(split)),
            fps=5.0,
            num_frames=FRAMES,
            centre="every_frame",
            scale=0.25,
            max_tokens=8,
            batch_size=2,
        ),
        loop=Loop(epochs=1, evaluate_every=0),
        seed=3,
    )


@pytest.fixture(scope="module")
def run(experiment, state, tmp_path_factory):
    """A run folder with one checkpoint, as training leaves it."""
    folder = tmp_path_factory.mktemp("run")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JAXMM_CACHE", str(tmp_path_factory.mktemp("cache")))
        data = experiment.data.open(folder / model.ASSETS_FOLDER)
        with Checkpoints(folder) as checkpoints:
            checkpoints.save(state, data.train_batches(seed=experiment.seed), {})
        write_experiment(experiment, folder / model.CONFIG_FILE)
        yield folder


@pytest.fixture
def call(monkeypatch, capsys):
    """Runs a command in this process and returns what it printed."""
    monkeypatch.setattr(console, "set_up", lambda: None)

    def run_command(*words):
        cli.main([str(word) for word in words])
        return capsys.readouterr().out

    return run_command


def test_d1_a_channel_is_one_coordinate_of_one_joint_over_time():
    generator = np.random.default_rng(0)
    motion, mask = jnp.array(generator.normal(size=(1, 9, 25, 3)), jnp.float32), jnp.ones((1, 9), bool)
    moved = motion.at[0, 6, 7, 2].add(1.0)  # one coordinate of one joint at one moment

    def frames_that_notice(encoder):
        @jax.jit
        def convolved(motion):
            return encoder.init_with_output(
                jax.random.key(0),
                motion,
                mask,
                deterministic=True,
                mutable=["params", "batch_stats", "intermediates"],
                capture_intermediates=lambda module, _: module.name == "conv_0",
            )[1]["intermediates"]["conv_0"]["__call__"][0]

        return np.flatnonzero(np.abs(convolved(moved) - convolved(motion)).max(axis=(0, 2)) > 0).tolist()

    small = {"conv_dims": (8,), "hidden_dim": 2, "num_layers": 1}
    assert frames_that_notice(PoseConvGru(**small)) == [5, 6, 7]
    assert frames_that_notice(PoseConvGru(**small, scramble_axes=True)) != [5, 6, 7]
    assert not DanceTextTask().motion.scramble_axes


def test_d2_the_default_trains_what_the_slice_of_the_seed_left_trainable():
    task, batch = DanceTextTask(), example_batch()
    params = jax.eval_shape(task.init_variables, jax.random.key(0), batch)[0]
    leaves = jax.tree_util.tree_leaves_with_path(params["text"]["backbone"])
    sizes = {f"text/backbone/{jax.tree_util.keystr(path, simple=True, separator='/')}": leaf for path, leaf in leaves}
    trainable = {name: math.prod(leaf.shape) for name, leaf in sizes.items() if name not in task.frozen(params)}
    last = "text/backbone/layer_5/feedforward"
    assert trainable == {
        f"{last}_out/kernel": 3072 * 768,
        f"{last}_out/bias": 768,
        f"{last}_norm/scale": 768,
        f"{last}_norm/bias": 768,
    }
    assert sum(trainable.values()) == 2_361_600
    # What the comment of the seed says is another policy, under its own name.
    by_layers = dataclasses.replace(task, freeze=Freeze.first_layers(4))
    rest = {name.split("/")[2] for name in sizes if name not in by_layers.frozen(params)}
    assert rest == {"layer_4", "layer_5"}
    assert {name for name in task.frozen(params) if not name.startswith("text/backbone/")} == set()


def test_d3_padding_changes_no_embedding_and_no_statistic(state):
    short = example_batch()
    later = jnp.full((BATCH, 4, JOINTS, 3), 1e3)  # what stands in the padding is not read
    longer = {
        **short,
        "motion": jnp.concatenate([jnp.where(short["motion_mask"][..., None, None], short["motion"], -1e3), later], 1),
        "motion_mask": jnp.pad(short["motion_mask"], ((0, 0), (0, 4))),
    }
    embed = jax.jit(lambda batch: TINY.embed_motion(state.params, state.collections, batch))
    embeddings = [embed(batch) for batch in (short, longer)]
    np.testing.assert_allclose(embeddings[1], embeddings[0], rtol=0, atol=1e-5)
    for row, length in enumerate((5, 3, 4, 5)):
        alone = {"motion": short["motion"][row : row + 1, :length], "motion_mask": jnp.ones((1, length), bool)}
        np.testing.assert_allclose(embed(alone)[0], embeddings[0][row], rtol=0, atol=1e-5)
    variables = {"params": state.params["motion"], **state.collections["motion"]}

    @jax.jit
    def train(batch):
        motion, mask = batch["motion"], batch["motion_mask"]
        return TINY.motion.apply(variables, motion, mask, deterministic=False, mutable=["batch_stats"])

    for one, other in zip(jax.tree.leaves(train(short)), jax.tree.leaves(train(longer)), strict=True):
        np.testing.assert_allclose(other, one, rtol=0, atol=1e-5)


def test_d4_evaluation_uses_no_dropout_and_running_statistics(state):
    batch = example_batch()
    task = dataclasses.replace(TINY, text=TINY.text.clone(dropout_rate=0.5))
    keyed = [state.replace(key=jax.random.key_data(jax.random.key(seed))) for seed in (1, 2)]
    evaluate = jax.jit(task.eval_step)
    first, second = (float(evaluate(own, batch)["loss"]) for own in keyed)
    assert first == second
    train = jax.jit(lambda key: task.loss(state.params, state.collections, batch, key, train=True))
    trained = [train(jax.random.key(seed))[0] for seed in (1, 2)]
    assert not np.allclose(*trained, atol=1e-3)  # while training has dropout
    evaluated = jax.jit(lambda key: task.loss(state.params, state.collections, batch, key, train=False))
    _, (after, _) = evaluated(jax.random.key(0))
    assert all(map(np.array_equal, jax.tree.leaves(after), jax.tree.leaves(state.collections)))
    # The statistics are not those of the batch: a motion's company changes nothing.
    embed = jax.jit(lambda batch: task.embed_motion(state.params, state.collections, batch))
    together, alone = embed(batch), embed({name: rows[:1] for name, rows in batch.items()})
    np.testing.assert_allclose(alone[0], together[0], rtol=0, atol=1e-6)


def test_d5_queries_search_a_saved_index_and_never_encode_the_gallery(run, tmp_path, monkeypatch):
    trained = model.load(run)
    trained.index("test").write(tmp_path / "gallery.safetensors")
    gallery = Index.read(tmp_path / "gallery.safetensors")
    encoded = {"motions": 0, "texts": 0}
    embedder = model.Embedder
    motions, texts = embedder.motions, embedder.texts

    def counted_motions(self, params, collections, own):
        own = list(own)
        encoded["motions"] += len(own)
        return motions(self, params, collections, own)

    def counted_texts(self, params, collections, sentences):
        encoded["texts"] += len(sentences)
        return texts(self, params, collections, sentences)

    monkeypatch.setattr(embedder, "motions", counted_motions)
    monkeypatch.setattr(embedder, "texts", counted_texts)
    found = trained.retrieve("a person moves", gallery, k=4)
    assert sorted(hit.name for hit in found) == ["motion_2", "motion_3", "motion_4", "motion_5"]
    assert encoded == {"motions": 0, "texts": 1}
    query = Motion(
        key="query", positions=np.ones((9, JOINTS, 3), np.float32), fps=5.0, skeleton=SKELETON, captions=("a query",)
    )
    assert len(trained.retrieve(query, gallery, k=2)) == 2
    assert encoded == {"motions": 1, "texts": 1}
    # Another checkpoint than the index's own is refused.
    other = model.Model(run, trained.experiment, jax.tree.map(lambda x: x + 1, trained.params), trained.collections, 1)
    with pytest.raises(CheckpointError, match="the index was made by another checkpoint"):
        other.retrieve("a person moves", gallery)


def test_d6_an_empty_gallery_is_an_error_and_ties_favour_nobody():
    with pytest.raises(DataError, match="the gallery is empty"):
        ExactSearch(np.zeros((0, 2), np.float32))
    with pytest.raises(DataError, match="the gallery is empty"):
        retrieval_metrics(np.zeros((1, 0)), np.zeros((1, 0), bool))
    with pytest.raises(DataError, match="the gallery is empty"):
        Index(
            motion=np.zeros((0, 2), np.float32),
            text=np.zeros((0, 2), np.float32),
            relevant=np.zeros((0, 0), bool),
            frames=np.zeros((0, JOINTS, 3), np.float16),
            offsets=np.zeros(1, np.int64),
            keys=(),
            captions=(),
            split="test",
            fps=5.0,
            skeleton=SKELETON,
            digest="",
        )
    tied = ExactSearch(np.array([[0.5], [0.9], [0.5], [0.9]], np.float32))
    assert tied(np.ones((1, 1), np.float32), 4)[0].tolist() == [[1, 3, 0, 2]]
    # Embeddings that have collapsed to one point score as chance does, wherever the answer stands.
    for place in range(4):
        metrics = retrieval_metrics(np.ones((1, 4)), np.eye(4, dtype=bool)[[place]])
        assert (metrics["recall@1"], metrics["mean_rank"]) == pytest.approx((0.25, 2.5))


def test_d8_the_loss_is_symmetric_and_has_cross_modal_negatives_only(state):
    generator = np.random.default_rng(0)
    a, b = jnp.array(generator.normal(size=(2, 6, 4)), jnp.float32)
    loss = symmetric_infonce(a, b, temperature=1.0)
    np.testing.assert_allclose(symmetric_infonce(b, a, temperature=1.0), loss, rtol=0, atol=1e-5)
    logits = np.asarray(a, np.float64) @ np.asarray(b, np.float64).T
    rows, columns = (np.log(np.exp(logits).sum(axis=axis)) - np.diag(logits) for axis in (1, 0))
    np.testing.assert_allclose(loss, (rows + columns) / 2, rtol=0, atol=1e-5)
    assert np.abs(rows - columns).max() > 0.1  # either direction alone would be another loss
    # A map that keeps similarities across modalities, and changes those within one, changes nothing.
    stretch = jnp.diag(jnp.array([4.0, 2.0, 0.5, 0.25]))
    np.testing.assert_allclose(
        symmetric_infonce(a @ stretch, b @ jnp.linalg.inv(stretch), temperature=1.0), loss, rtol=0, atol=1e-4
    )
    batch = example_batch()

    @jax.jit
    def of_the_task(state):
        losses, _ = TINY.loss(state.params, state.collections, batch, state.step_key(), train=False)
        towers = [embed(state.params, state.collections, batch) for embed in (TINY.embed_motion, TINY.embed_text)]
        return losses, symmetric_infonce(*towers, temperature=0.07)

    np.testing.assert_allclose(*of_the_task(state), rtol=0, atol=1e-5)
    assert set(state.params) == {"motion", "text"}  # the temperature is fixed, not learnt


def test_d9_what_the_seed_calls_generation_is_called_retrieval(run, call, capsys):
    with pytest.raises(SystemExit) as stop:
        call("generate", run, "--text", "a person moves", "--out", run / "generated")
    assert stop.value.code == 2
    assert "DanceTextTask generates no signing" in capsys.readouterr().err
    found = json.loads(call("retrieve", run, "--text", "a person moves", "-k", "2", "--json"))
    assert len(found) == 2
    owners = (files_module, index_module, dance_text, jaxmm.Index, DanceTextTask)
    public = [name for owner in owners for name in dir(owner) if not name.startswith("_")]
    assert "retrieve" in dir(jaxmm.Model)
    assert not [name for name in public if re.search("generat", name, re.IGNORECASE)]


def test_d10_split_frame_rate_centring_and_scale_are_saved_with_a_run(run, experiment):
    saved = json.loads((run / "config.json").read_text())["data"]
    assert (saved["fps"], saved["centre"], saved["scale"]) == (5.0, "every_frame", 0.25)
    assert saved["split"] == {"class": "jaxmm.data.splits.FileSplit", "path": experiment.data.split.path}
    assert model.load(run).experiment == experiment
    # A run is not continued under other settings than it began with.
    for change in ({"fps": 10.0}, {"centre": "none"}, {"scale": 1.0}, {"split": FileSplit(path="other.json")}):
        other = dataclasses.replace(experiment, data=dataclasses.replace(experiment.data, **change))
        with pytest.raises(ConfigError, match=rf"holds a run of another config(.|\n)*data\.{next(iter(change))}"):
            run_module.train(other, run)


def test_d11_every_protocol_names_itself_with_intervals_and_a_sentence_model_of_ones_own(run):
    def each_alone(texts):
        return np.eye(len(texts))

    found = evaluate(run, protocol="similar_captions", sentences=each_alone, graded=True, bootstrap=20)
    plain = evaluate(run)
    assert found["protocol/similar_captions"] == 1 and "protocol/all" not in found
    for direction in ("text_to_motion", "motion_to_text"):
        assert found[f"test/{direction}/gallery"] == 4
        assert found[f"test/{direction}/mrr"] == plain[f"test/{direction}/mrr"]
        assert 0 < found[f"test/{direction}/ndcg@10"] == pytest.approx(found[f"test/{direction}/ndcg"])
        low, high = (found[f"test/{direction}/mrr/{end}"] for end in ("low", "high"))
        assert low <= found[f"test/{direction}/mrr"] <= high


def test_captions_are_not_compared_by_a_text_tower_from_scratch(run, call, capsys):
    for words in (("--protocol", "similar_captions"), ("--protocol", "dissimilar"), ("--ndcg",)):
        with pytest.raises(SystemExit):
            call("evaluate", run, *words)
        assert "started from scratch; name one with --sentences CHECKPOINT" in capsys.readouterr().err
    scores = json.loads(call("evaluate", run, "--bootstrap", "20", "--json"))
    assert scores["test/text_to_motion/recall@1/low"] <= scores["test/text_to_motion/recall@1"]


def test_d11_results_name_gallery_size_direction_and_protocol(run, call):
    scores = json.loads(call("evaluate", run, "--json"))
    measured = [name for name in scores if re.search(r"/(recall@\d+|median_rank|mean_rank|mrr)$", name)]
    assert len(measured) == 2 * 8
    assert {name.split("/")[1] for name in measured} == {"text_to_motion", "motion_to_text"}
    assert all(scores[f"{name.rpartition('/')[0]}/gallery"] == 4 for name in measured)
    assert scores["protocol/all"] == 1
    table = " ".join(call("evaluate", run).split())
    assert "protocol all" in table
    assert "test text_to_motion motion_to_text" in table and "gallery 4 4" in table
