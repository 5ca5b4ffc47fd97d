import ast
import subprocess
import sys
from pathlib import Path

import pytest

import jaxmm

HEAVY = ("jax", "flax", "optax", "orbax", "grain", "numpy", "transformers", "matplotlib", "torch")


def modules_after(statement):
    code = f"import sys\n{statement}\nprint(*[name for name in {HEAVY!r} if name in sys.modules])"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()


@pytest.mark.parametrize("module", ["jaxmm", "jaxmm.errors", "jaxmm.config", "jaxmm.cli"])
def test_importing_it_imports_nothing_heavy(module):
    assert modules_after(f"import {module}") == []


@pytest.mark.parametrize("name", jaxmm.__all__)
def test_every_public_name_is_documented_with_an_example(name):
    value = getattr(jaxmm, name)
    assert value.__name__ == name
    assert "Example:" in (value.__doc__ or ""), f"jaxmm.{name} shows no example"


def test_public_names_are_listed_sorted_and_once():
    assert dir(jaxmm) == jaxmm.__all__ == sorted(set(jaxmm.__all__))


def test_type_checkers_see_each_name_where_it_is_imported_from():
    tree = ast.parse(Path(jaxmm.__file__).read_text())
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module.startswith("jaxmm.")]
    homes = {alias.asname: node.module for node in imports for alias in node.names}
    assert homes == jaxmm._HOMES


def test_an_unknown_name_is_named():
    with pytest.raises(AttributeError, match="module 'jaxmm' has no attribute 'Motoin'"):
        _ = jaxmm.Motoin
