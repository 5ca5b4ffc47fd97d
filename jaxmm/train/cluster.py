"""Joining the processes of a cluster, before any of them computes."""

import os

import jax

from jaxmm.errors import ConfigError, reason

VARIABLES = ("JAX_COORDINATOR_ADDRESS", "JAX_NUM_PROCESSES", "JAX_PROCESS_ID")
"""Where the first process listens, as host:port; how many there are; which one this is, from 0."""


def join_cluster() -> None:
    """Connects this process with the others of its run, which see each other's devices from then on.

    The environment names the cluster: `VARIABLES`, or else what SLURM, Open MPI, Kubernetes and Cloud TPUs set, which
    JAX recognises by itself.

    Raises:
        ConfigError: If the environment names no cluster, or the others do not answer.

    Example:
        >>> os.environ["JAX_PROCESS_ID"] = "first"
        >>> join_cluster()
        Traceback (most recent call last):
        jaxmm.errors.ConfigError: JAX_PROCESS_ID is set without JAX_COORDINATOR_ADDRESS, JAX_NUM_PROCESSES; set all...
        >>> del os.environ["JAX_PROCESS_ID"]
    """
    values = {name: os.environ[name] for name in VARIABLES if name in os.environ}
    missing = [name for name in VARIABLES if name not in values]
    if values and missing:
        raise ConfigError(
            f"{', '.join(values)} is set without {', '.join(missing)}; set all of them, or none where SLURM, Open MPI, "
            "Kubernetes or a TPU pod tells them"
        )
    num_processes = process_id = None
    if values:
        try:
            num_processes, process_id = (int(values[name]) for name in VARIABLES[1:])
        except ValueError as error:
            raise ConfigError(f"{' and '.join(VARIABLES[1:])} must be whole numbers ({reason(error)})") from error
    try:
        jax.distributed.initialize(values.get(VARIABLES[0]), num_processes, process_id)
    except (ValueError, RuntimeError) as error:
        raise ConfigError(
            f"cannot join a cluster ({str(error).splitlines()[0]}); set {', '.join(VARIABLES)} for each process, "
            "or leave --distributed out for one process"
        ) from error
