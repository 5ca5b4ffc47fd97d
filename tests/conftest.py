"""What every test runs under: runtime shape checks, strict promotion, eight devices, no network."""

import gc
import os
import tempfile
from pathlib import Path

# Read when transformers and huggingface_hub are first imported, so set before anything else.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("JAX_PLATFORMS", "cpu")
# UMAP's kernels compile for longer than the handful of points in the tests takes without.
os.environ.setdefault("NUMBA_DISABLE_JIT", "1")
if "PYTEST_XDIST_WORKER" not in os.environ:  # workers have the cache of the process that starts them
    _cache = tempfile.TemporaryDirectory(prefix="jaxmm-tests-", ignore_cleanup_errors=True)
    os.environ["JAXMM_CACHE"] = _cache.name

import hypothesis
import jax
import pytest
from jaxtyping import install_import_hook

# The numeric tower lets an int stand where a float is annotated, as type checkers do.
CHECKER = "beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True))"

# How long an example takes says how busy the machine is, not whether the code is right.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")
install_import_hook("jaxmm", CHECKER)
jax.config.update("jax_numpy_rank_promotion", "raise")
# Eight virtual devices for the tests of data parallelism; on one process they cost the other tests a few per cent.
# A setting, not an environment variable: commands that tests start see the one device that users have.
jax.config.update("jax_num_cpu_devices", 8)
# Programs of tests run for microseconds and compile for seconds, the more so with the newer of XLA's code generators.
jax.config.update("jax_disable_most_optimizations", True)
_flags = os.environ.get("XLA_FLAGS", "")
if jax.__version_info__ < (0, 11):  # from here on there is the newer one alone
    os.environ["XLA_FLAGS"] = f"{_flags} --xla_cpu_use_fusion_emitters=false"
jax.devices()  # reads the flags, which commands that tests start must not find
os.environ["XLA_FLAGS"] = _flags
# Most of the suite's time is spent in compiling, so workers share what they compile, and find it in the next session.
jax.config.update("jax_compilation_cache_dir", str(Path(__file__).parents[1] / ".pytest_cache" / "compiled"))
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
# Tracing makes many objects that live on; to look among them for garbage as often as usual takes a tenth of the time.
gc.set_threshold(50_000, 20, 20)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real recordings beside the checkout; the test skips where there is none."""
    folder = Path(__file__).resolve().parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("needs real recordings in ../shared/data, which are not part of the repository")
    return folder
