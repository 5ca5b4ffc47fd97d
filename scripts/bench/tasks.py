"""Modules as tasks of their own, for cases that train a part of a system."""

import dataclasses
import functools
import itertools

import flax.linen as nn
import jax.numpy as jnp
import optax

from jaxmm import DanceTextTask
from jaxmm.encoders.similarity import PooledTrunk, SiameseNetwork, embed_together
from jaxmm.encoders.similarity.pairs import pair_distance
from jaxmm.tasks.base import Task


@dataclasses.dataclass(frozen=True, kw_only=True)
class MotionTower(Task):
    """The motion tower as a task of its own, with the loss against fixed targets."""

    whole: DanceTextTask

    def init_variables(self, key, batch):
        variables = self.whole.motion.init(key, batch["motion"], batch["motion_mask"], deterministic=True)
        return variables["params"], {"batch_stats": variables["batch_stats"]}

    def embed_motion(self, params, collections, batch):
        variables = {"params": params, **collections}
        return self.whole.motion.apply(variables, batch["motion"], batch["motion_mask"], deterministic=True)

    def loss(self, params, collections, batch, key, *, train):
        embedded, changed = self.whole.motion.apply(
            {"params": params, **collections},
            batch["motion"],
            batch["motion_mask"],
            deterministic=False,
            mutable=["batch_stats"],
            rngs={"dropout": key},
        )
        return jnp.square(embedded - 0.1).sum(axis=-1), (changed, {})


@dataclasses.dataclass(frozen=True, kw_only=True)
class Compared(Task):
    """A network of video similarity as a task of its own: pairs by their logits, triplets by a margin of 0.3."""

    network: SiameseNetwork | PooledTrunk

    def init_variables(self, key, batch):
        roles = ("anchor", "positive") if isinstance(self.network, SiameseNetwork) else ("anchor",)
        given = [part for role in roles for part in (batch[role], batch["frame_mask"])]
        variables = dict(self.network.init(key, *given, deterministic=True))
        return variables.pop("params"), variables

    def loss(self, params, collections, batch, key, *, train):
        mask = batch["frame_mask"]
        roles = [(batch[name], mask) for name in ("anchor", "positive", "negative") if name in batch]
        network = nn.apply(_apart if len(roles) == 3 else _logits, self.network, mutable=["batch_stats"])
        found, changed = network({"params": params, **collections}, *roles, rngs={"dropout": key})
        if len(roles) == 3:
            return jnp.maximum(found + 0.3, 0), (changed, {})
        return optax.sigmoid_binary_cross_entropy(found, batch["label"]), (changed, {})


def _logits(network, *roles):
    return network(*itertools.chain(*roles), deterministic=False)[2]


def _apart(network, *roles):
    """Returns how much farther an anchor is from its negative than from its positive, negated."""
    anchor, positive, negative = embed_together(functools.partial(network, deterministic=False), *roles)
    return pair_distance(anchor, positive) - pair_distance(anchor, negative)
