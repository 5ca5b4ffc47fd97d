"""Text to signing: a generator of whole clips, judged by a critic, in one alternating update."""

import dataclasses
from collections.abc import Mapping
from typing import Any, cast

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, PRNGKeyArray

from jaxmm import parallel
from jaxmm.data.sign.layout import HOLISTIC
from jaxmm.errors import ConfigError
from jaxmm.generators.critics import SignCritic
from jaxmm.horizon import Horizon
from jaxmm.numerics import Guard
from jaxmm.objectives.sign import SignObjective, Weights
from jaxmm.optim import AdamW, moving_part, with_moving
from jaxmm.state import TrainState
from jaxmm.tasks.base import Update, guarded_update
from jaxmm.tasks.sign_losses import Score, critic_loss, feature_mask, generator_loss
from jaxmm.tasks.sign_task import GENERATING, Made, SignTask
from jaxmm.typing import Batch, Collections, Metrics, Params

_PLAYERS = {"generator": GENERATING, "critic": ("critic",)}
"""Which parts of the parameters each optimizer changes."""


def _adam(lr: float) -> AdamW:
    return AdamW(lr=lr, end_lr=lr, weight_decay=0.0, b1=0.5, b2=0.9, clip_norm=1.0)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Text2SignTask(SignTask):
    """Learns to sign what a text says.

    What makes clips is inherited from `jaxmm.tasks.sign_task.SignTask`, and the text backbone's fields from
    `jaxmm.tasks.text_task.TextTask`.

    Attributes:
        critic: Tells real clips from generated ones.
        objective: Which losses count, and how much.
        new_noise: Whether the critic judges clips of another noise than those that the generator learns from; one
            noise for both takes one pass of the generator less.
        optimizer: Changes the generator, its length head and the text projection.
        critic_optimizer: Changes the critic.

    Raises:
        ConfigError: If a number is out of its range.

    Example:
        >>> from jaxmm import SignGenerator, SignText, TransformerText
        >>> tiny = TransformerText(vocab_size=50, dim=8, num_layers=1, num_heads=2, feedforward_dim=16)
        >>> generator = SignGenerator(hidden_dim=8, num_layers=1, num_heads=2, max_frames=12)
        >>> task = Text2SignTask(text=tiny, generator=generator, critic=SignCritic(base_dim=4))
        >>> batch = SignText(max_frames=12, max_tokens=4).blank_batch()
        >>> sorted(jax.eval_shape(task.init_variables, jax.random.key(0), batch)[0])
        ['critic', 'generator', 'text']

    Reference: seed 004, with the decisions of its specification.
    """

    critic: SignCritic = dataclasses.field(default_factory=SignCritic)
    objective: SignObjective = dataclasses.field(default_factory=SignObjective)
    new_noise: bool = False
    optimizer: AdamW = dataclasses.field(default_factory=lambda: _adam(1e-4))
    critic_optimizer: AdamW = dataclasses.field(default_factory=lambda: _adam(5e-5))

    def __post_init__(self) -> None:
        super().__post_init__()
        self.objective.bone_indices(HOLISTIC.landmarks)

    @property
    def _has_critic(self) -> bool:
        return self.objective.adversarial > 0

    def init_variables(self, key: PRNGKeyArray, batch: Batch) -> tuple[Params, Collections]:
        """Returns random parameters, and the running mean of those that generate."""
        params, _ = super().init_variables(key, batch)
        if self._has_critic:
            critic_key = jax.random.split(key, 4)[3]
            frames = jnp.zeros((1, self.generator.max_frames, self.generator.frame_dim))
            frame_mask, text = jnp.ones(frames.shape[:2], bool), jnp.zeros((1, self.generator.hidden_dim))
            params = {**params, "critic": self.critic.init(critic_key, frames, frame_mask, text)["params"]}
        return params, {"ema": self._moving("generator", params, Horizon())} if self.ema_decay else {}

    def _own(self, player: str, params: Params) -> Params:
        return {name: params[name] for name in _PLAYERS[player]}

    def _players(self, params: Params) -> list[str]:
        return [player for player, parts in _PLAYERS.items() if parts[0] in params]

    def moving(self, params: Params, horizon: Horizon) -> Params:
        """Returns the parameters of both players that the run, or its stage, changes; the others are None."""
        players = [self._moving(player, params, horizon) for player in self._players(params)]
        return {name: part for moving in players for name, part in moving.items()}

    def _moving(self, player: str, params: Params, horizon: Horizon) -> Params:
        own, optimizer = self._own(player, params), self._optimizer(player)
        return moving_part(own, self.frozen(params) | optimizer.frozen(own, horizon, whole=params))

    def _optimizer(self, player: str) -> AdamW:
        return self.optimizer if player == "generator" else self.critic_optimizer

    def _transform(self, player: str, params: Params, horizon: Horizon) -> optax.GradientTransformation:
        own, frozen = self._own(player, params), self.frozen(params)
        return self._optimizer(player).build(own, horizon=horizon, frozen=frozen, whole=params)

    def init(self, key: PRNGKeyArray, batch: Batch, horizon: Horizon) -> TrainState:
        """Returns the state before the first step, with an optimizer and a guard for each of the two players."""
        init_key, run_key = jax.random.split(key)
        params, collections = self.init_variables(init_key, batch)
        players = self._players(params)
        return TrainState(
            step=jnp.int32(0),
            params=params,
            collections=collections,
            opt_state={
                player: self._transform(player, params, horizon).init(self._moving(player, params, horizon))
                for player in players
            },
            guards={player: Guard.fresh() for player in players},
            key=jax.random.key_data(run_key),
            horizon=horizon,
        )

    def _score(self, critic: Params, made: Made, batch: Batch) -> Score:
        critic, text, known = self.numerics.cast(critic), jax.lax.stop_gradient(made.text), feature_mask(batch)

        def score(frames: Float[Array, "batch time dim"]) -> Float[Array, "batch"]:
            frames = self.numerics.cast(jnp.where(known, frames, 0))
            found = cast(Array, self.critic.apply({"params": critic}, frames, batch["frame_mask"], text))
            return found.astype(jnp.float32)

        return score

    def _generator_loss(
        self, made: Made, critic: Params | None, batch: Batch, weights: Weights
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
        moving = self._moving("generator", state.params, state.horizon)
        text_key = parallel.own_key(text_key) if self.drops_text else None

        def make(moving: Params, key: PRNGKeyArray) -> Made:
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

    def _train_critic(self, state: TrainState, judged: Made, batch: Batch, weights: Weights) -> tuple[Update, Metrics]:
        moving = self._moving("critic", state.params, state.horizon)

        def objective(moving: Params) -> tuple[Array, Metrics]:
            critic = with_moving(moving, self._own("critic", state.params))["critic"]
            score = self._score(critic, judged, batch)
            return critic_loss(score, judged.clips.frames, batch, objective=self.objective)

        (loss, metrics), grads = jax.value_and_grad(objective, has_aux=True)(moving)
        update = self._update("critic", state, moving, loss, grads)
        # Before its judgement counts, the critic waits; a conditional would save its work, but on CPUs its branches run
        # several times slower once it plays.
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

            def follow(mean: Array | None, new: Array | None, own: Array) -> Array | None:
                if mean is None or new is None:  # what waits for its stage is as it was loaded
                    return None if mean is None else own
                return jnp.where(accepted, decay * mean + (1 - decay) * new, mean)

            trees = state.collections["ema"], updates["generator"].moving, self._own("generator", params)
            collections = {"ema": jax.tree.map(follow, *trees, is_leaf=lambda leaf: leaf is None)}
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
