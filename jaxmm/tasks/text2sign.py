"""Text to signing: a generator of whole clips, judged by a critic, in one alternating update."""

import dataclasses
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple, cast

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int, PRNGKeyArray

from jaxmm import parallel
from jaxmm.data.captioned import CaptionedData
from jaxmm.data.sign.layout import HOLISTIC
from jaxmm.data.sign_text import SignTextData
from jaxmm.encoders.layers import uniform_dense
from jaxmm.errors import ConfigError
from jaxmm.generators.critics import SignCritic
from jaxmm.generators.lengths import LengthHead
from jaxmm.generators.sign import Generated, SignGenerator
from jaxmm.numerics import Guard
from jaxmm.objectives.sign import SignObjective, Weights
from jaxmm.optim import AdamW, Horizon, moving_part, with_moving
from jaxmm.state import TrainState
from jaxmm.tasks.base import Update, guarded_update
from jaxmm.tasks.sign_losses import Score, critic_loss, feature_mask, generator_loss
from jaxmm.tasks.text_task import TextTask
from jaxmm.typing import Batch, Collections, Metrics, Params

_PLAYERS = {"generator": ("generator", "text"), "critic": ("critic",)}
"""Which parts of the parameters each optimizer changes."""


def _adam(lr: float) -> AdamW:
    return AdamW(lr=lr, end_lr=lr, weight_decay=0.0, b1=0.5, b2=0.9, clip_norm=1.0)


class _Made(NamedTuple):
    """What the generator makes of a batch, and the texts' vectors that a conditional critic reads."""

    clips: Generated
    text: Float[Array, "batch dim"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Text2SignTask(TextTask):
    """Learns to sign what a text says.

    The text backbone's fields are inherited from `jaxmm.tasks.text_task.TextTask`; all its token states are projected
    to the generator's width, by a trained projection (D8).

    Attributes:
        generator: Makes clips and chooses their lengths.
        critic: Tells real clips from generated ones.
        objective: Which losses count, and how much.
        new_noise: Whether the critic judges clips of another noise than those that the generator learns from; one
            noise for both takes one pass of the generator less.
        ema_decay: Share that the running mean of the generator's parameters, which generates, keeps at a step, in
            [0, 1); 0 keeps no mean.
        optimizer: Changes the generator, its length head and the text projection.
        critic_optimizer: Changes the critic.

    Raises:
        ConfigError: If a number is out of its range.

    Example:
        >>> from jaxmm import SignText, TransformerText
        >>> tiny = TransformerText(vocab_size=50, dim=8, num_layers=1, num_heads=2, feedforward_dim=16)
        >>> generator = SignGenerator(hidden_dim=8, num_layers=1, num_heads=2, max_frames=12)
        >>> task = Text2SignTask(text=tiny, generator=generator, critic=SignCritic(base_dim=4))
        >>> batch = SignText(max_frames=12, max_tokens=4).blank_batch()
        >>> sorted(jax.eval_shape(task.init_variables, jax.random.key(0), batch)[0])
        ['critic', 'generator', 'text']

    Reference: seed 004, with the decisions of its specification.
    """

    pooling: Literal["first", "mean", "tokens"] = "tokens"
    generator: SignGenerator = dataclasses.field(default_factory=SignGenerator)
    critic: SignCritic = dataclasses.field(default_factory=SignCritic)
    objective: SignObjective = dataclasses.field(default_factory=SignObjective)
    new_noise: bool = False
    ema_decay: float = 0.999
    optimizer: AdamW = dataclasses.field(default_factory=lambda: _adam(1e-4))
    critic_optimizer: AdamW = dataclasses.field(default_factory=lambda: _adam(5e-5))

    def __post_init__(self) -> None:
        if self.pooling != "tokens":
            raise ConfigError(f"task.pooling is {self.pooling!r}, but frames ask every token; leave it at tokens")
        if not 0 <= self.ema_decay < 1:
            raise ConfigError(f"task.ema_decay is {self.ema_decay}; give 0 or more, below 1")
        if self.generator.frame_dim != HOLISTIC.dim:
            raise ConfigError(f"task.generator.frame_dim is {self.generator.frame_dim}; a frame has {HOLISTIC.dim}")
        if self.generator.num_parts not in (0, len(HOLISTIC.parts)):
            raise ConfigError(
                f"task.generator.num_parts is {self.generator.num_parts}; set it to {len(HOLISTIC.parts)}, or to 0 to "
                "tell of none"
            )
        self.objective.bone_indices(HOLISTIC.landmarks)

    @property
    def _has_critic(self) -> bool:
        return self.objective.adversarial > 0

    def init_variables(self, key: PRNGKeyArray, batch: Batch) -> tuple[Params, Collections]:
        """Returns random parameters, and the running mean of those that generate."""
        backbone_key, projection_key, generator_key, critic_key = jax.random.split(key, 4)
        states = jnp.zeros((1, 2, self.text.dim))
        token_mask, frame_mask = jnp.ones((1, 2), bool), jnp.ones((1, self.generator.max_frames), bool)
        projected = jnp.zeros((1, 2, self.generator.hidden_dim))
        noise = self.generator.draw_noise(generator_key, batch=1)
        backbone = self.text.init(backbone_key, batch["token_ids"], batch["token_mask"], deterministic=True)
        generated = self.generator.init(
            generator_key, projected, token_mask, frame_mask, noise, jnp.zeros(1, jnp.int32)
        )
        params = {
            "text": {
                "backbone": backbone["params"],
                "projection": self._projection.init(projection_key, states)["params"],
            },
            "generator": generated["params"],
        }
        if self._has_critic:
            frames = jnp.zeros((1, self.generator.max_frames, self.generator.frame_dim))
            params["critic"] = self.critic.init(critic_key, frames, frame_mask, projected[:, 0])["params"]
        return params, {"ema": self._moving("generator", params)} if self.ema_decay else {}

    @property
    def _projection(self) -> Any:
        return uniform_dense(self.generator.hidden_dim, fan_in=self.text.dim, name="projection")

    def _own(self, player: str, params: Params) -> Params:
        return {name: params[name] for name in _PLAYERS[player]}

    def _moving(self, player: str, params: Params) -> Params:
        own, optimizer = self._own(player, params), self._optimizer(player)
        return moving_part(own, self.frozen(params) | optimizer.frozen(own))

    def _optimizer(self, player: str) -> AdamW:
        return self.optimizer if player == "generator" else self.critic_optimizer

    def _transform(self, player: str, params: Params, horizon: Horizon) -> optax.GradientTransformation:
        return self._optimizer(player).build(self._own(player, params), horizon=horizon, frozen=self.frozen(params))

    def init(self, key: PRNGKeyArray, batch: Batch, horizon: Horizon) -> TrainState:
        """Returns the state before the first step, with an optimizer and a guard for each of the two players."""
        init_key, run_key = jax.random.split(key)
        params, collections = self.init_variables(init_key, batch)
        players = [player for player, parts in _PLAYERS.items() if parts[0] in params]
        return TrainState(
            step=jnp.int32(0),
            params=params,
            collections=collections,
            opt_state={
                player: self._transform(player, params, horizon).init(self._moving(player, params))
                for player in players
            },
            guards={player: Guard.fresh() for player in players},
            key=jax.random.key_data(run_key),
            horizon=horizon,
        )

    def check_data(self, data: CaptionedData[Any]) -> None:
        """Refuses data that are no signing, or whose clips, texts or signers the modules cannot take.

        Raises:
            ConfigError: If they do not fit.
        """
        if not isinstance(data, SignTextData):
            raise ConfigError(f"data are {type(data.settings).__name__}; Text2SignTask learns from SignText")
        super().check_data(data)
        if data.settings.max_frames != self.generator.max_frames:
            raise ConfigError(
                f"task.generator.max_frames is {self.generator.max_frames}, but data.max_frames "
                f"{data.settings.max_frames}; make them equal"
            )
        if self.generator.num_signers not in (0, len(data.signers)):
            raise ConfigError(
                f"task.generator.num_signers is {self.generator.num_signers}, but the training split has "
                f"{len(data.signers)} signers; set it to {len(data.signers)}, or to 0 to know none"
            )

    def _read(self, params: Params, batch: Batch, key: PRNGKeyArray | None) -> Float[Array, "batch tokens dim"]:
        states = self.text_features(params["text"]["backbone"], batch, key)
        return cast(Array, self._projection.apply({"params": params["text"]["projection"]}, states))

    def _make(self, params: Params, batch: Batch, noise: Array, key: PRNGKeyArray | None) -> _Made:
        text = self._read(params, batch, key)
        clips = self.generator.apply(
            {"params": params["generator"]}, text, batch["token_mask"], batch["frame_mask"], noise, batch["signer"]
        )
        made = _Made(cast(Generated, clips), text[:, 0])
        return jax.tree.map(lambda made: made.astype(jnp.promote_types(made.dtype, jnp.float32)), made)

    def _noise(self, key: PRNGKeyArray, batch: Batch) -> Float[Array, "batch steps noise_dim"]:
        """Draws the noise of the global batch, and takes this device's rows: the same on any number of devices."""
        rows = parallel.all_rows(batch["example_mask"]).shape[0]
        return parallel.own_rows(self.generator.draw_noise(key, batch=rows))

    def _score(self, critic: Params, made: _Made, batch: Batch) -> Score:
        critic, text, known = self.numerics.cast(critic), jax.lax.stop_gradient(made.text), feature_mask(batch)

        def score(frames: Float[Array, "batch time dim"]) -> Float[Array, "batch"]:
            frames = jnp.where(known, frames, 0)
            return cast(Array, self.critic.apply({"params": critic}, frames, batch["frame_mask"], text))

        return score

    def _generator_loss(
        self, made: _Made, critic: Params | None, batch: Batch, weights: Weights
    ) -> tuple[Float[Array, ""], Metrics]:
        score = None if critic is None else self._score(critic, made, batch)
        return generator_loss(
            made.clips,
            batch,
            objective=self.objective,
            weights=weights,
            lengths=self.generator.lengths,
            score=score,
        )

    def train_step(self, state: TrainState, batch: Batch) -> tuple[TrainState, Metrics]:
        """Returns the state after the critic's and then the generator's update; the same clips serve both.

        Either of the two is left as it was where its own numbers are bad.
        """
        noise_key, other_key, text_key = jax.random.split(state.step_key(), 3)
        weights = self.objective.weights(state.step, steps_per_epoch=state.horizon.steps_per_epoch)
        moving = self._moving("generator", state.params)
        text_key = parallel.own_key(text_key) if self.drops_text else None

        def make(moving: Params, key: PRNGKeyArray) -> _Made:
            params = self.numerics.cast(with_moving(moving, self._own("generator", state.params)))
            return self._make(params, self.numerics.cast(batch), self._noise(key, batch), text_key)

        made, pull = jax.vjp(lambda moving: make(moving, noise_key), moving)
        updates, metrics, critic = {}, {}, None
        if self._has_critic:
            judged = jax.lax.stop_gradient(make(moving, other_key) if self.new_noise else made)
            updates["critic"], metrics = self._train_critic(state, judged, batch, weights)
            critic = updates["critic"].moving["critic"]
        (loss, terms), cotangents = jax.value_and_grad(self._generator_loss, has_aux=True)(made, critic, batch, weights)
        updates["generator"] = self._update("generator", state, moving, loss, pull(cotangents)[0])
        after = self._after(state, updates)
        norms = {f"grad_norm/{player}": update.grad_norm for player, update in updates.items()}
        return after, {"loss": loss, **terms, **metrics, **norms}

    def _train_critic(self, state: TrainState, judged: _Made, batch: Batch, weights: Weights) -> tuple[Update, Metrics]:
        moving = self._moving("critic", state.params)

        def objective(moving: Params) -> tuple[Array, Metrics]:
            critic = with_moving(moving, self._own("critic", state.params))["critic"]
            score = self._score(critic, judged, batch)
            return critic_loss(score, judged.clips.frames, batch, objective=self.objective)

        (loss, metrics), grads = jax.value_and_grad(objective, has_aux=True)(moving)
        update = self._update("critic", state, moving, loss, grads)
        # Before its judgement counts, the critic waits.
        idle = Update(
            moving, cast(Mapping[str, Any], state.opt_state)["critic"], (), state.guards["critic"], update.grad_norm
        )
        update = jax.tree.map(lambda new, old: jnp.where(weights.adversarial > 0, new, old), update, idle)
        whole = with_moving(update.moving, self._own("critic", state.params))
        return update._replace(moving=whole), {"critic/loss": loss, **metrics}

    def _update(self, player: str, state: TrainState, moving: Params, loss: Array, grads: Params) -> Update:
        return guarded_update(
            self._transform(player, state.params, state.horizon),
            self.numerics,
            state.guards[player],
            moving=moving,
            opt_state=cast(Mapping[str, Any], state.opt_state)[player],
            loss=loss,
            grads=grads,
        )

    def _after(self, state: TrainState, updates: Mapping[str, Update]) -> TrainState:
        params = dict(state.params)
        for player, update in updates.items():
            params.update(with_moving(update.moving, self._own(player, params)))
        collections = state.collections
        if self.ema_decay:
            # The first steps' mean is not held back by where training started.
            decay = jnp.minimum(self.ema_decay, (1 + state.step) / (10 + state.step))
            accepted = updates["generator"].guard.accepted > state.guards["generator"].accepted
            mean = jax.tree.map(
                lambda mean, new: jnp.where(accepted, decay * mean + (1 - decay) * new, mean),
                state.collections["ema"],
                updates["generator"].moving,
            )
            collections = {"ema": mean}
        return dataclasses.replace(
            state,
            step=state.step + 1,
            params=params,
            collections=collections,
            opt_state={player: update.opt_state for player, update in updates.items()},
            guards={player: update.guard for player, update in updates.items()},
        )

    def loss(
        self, params: Params, collections: Collections, batch: Batch, key: PRNGKeyArray, *, train: bool
    ) -> tuple[Float[Array, "batch"], tuple[Collections, Metrics]]:
        """Returns each clip's error of reconstruction by the parameters that generate; training has `train_step`.

        Raises:
            ConfigError: If it is asked for in training.
        """
        if train:
            raise ConfigError("Text2SignTask is trained by train_step: its two players have losses of their own")
        made = self._make(self._generating(params, collections), batch, self._noise(key, batch), None)
        errors = jax.vmap(lambda made, real, mask: self.objective.motion_loss(made[None], real[None], mask[None])[0])(
            made.clips.frames, batch["frames"], feature_mask(batch)
        )
        return errors, (collections, {})

    def _generating(self, params: Params, collections: Collections) -> Params:
        own = self._own("generator", params)
        return with_moving(collections["ema"], own) if self.ema_decay else own

    def generate(self, params: Params, collections: Collections, batch: Batch) -> Mapping[str, Array]:
        """Makes a clip for each text, by the running mean of the parameters where there is one.

        Args:
            params: Parameters.
            collections: Their running mean.
            batch: `token_ids`, `token_mask`; `noise`, as `generator.draw_noise` gives it; `signer`, numbers; and
                `length` in frames, 0 where the length head is to choose.

        Returns:
            `frames`, normalised; `frame_mask`, the clip's own; and `landmark_mask`, what is in sight.
        """
        params = self._generating(params, collections)
        text = self._read(params, batch, None)
        length = self._choose_length(params, text[:, 0], batch["length"])
        frame_mask = jnp.arange(self.generator.max_frames)[None] < length[:, None]
        clips = cast(
            Generated,
            self.generator.apply(
                {"params": params["generator"]}, text, batch["token_mask"], frame_mask, batch["noise"], batch["signer"]
            ),
        )
        seen = jnp.ones((*frame_mask.shape, len(HOLISTIC.parts)), bool)
        if self.generator.num_parts:
            seen = clips.detected_logits > 0
        landmark_mask = seen[..., HOLISTIC.part_of_landmark] & frame_mask[..., None]
        return {"frames": clips.frames, "frame_mask": frame_mask, "landmark_mask": landmark_mask}

    def _choose_length(
        self, params: Params, pooled: Float[Array, "batch dim"], asked: Int[Array, "batch"]
    ) -> Int[Array, "batch"]:
        bins, most = self.generator.lengths, self.generator.max_frames
        logits = LengthHead(num_bins=bins.count).apply({"params": params["generator"]["length"]}, pooled)
        chosen = bins.frames(bins.reachable(cast(Array, logits), max_frames=most).argmax(axis=-1))
        return jnp.minimum(jnp.where(asked > 0, asked, chosen), most)
