import pytest

from jaxmm import errors

KINDS = ("ConfigError", "DataError", "WeightsError", "CheckpointError", "MissingExtraError")


@pytest.mark.parametrize("name", [*KINDS, "DamagedError", "DiskFullError"])
def test_every_error_of_the_package_is_caught_as_one_family(name):
    with pytest.raises(errors.JaxmmError, match="what went wrong"):
        raise getattr(errors, name)("what went wrong")


def test_kinds_do_not_catch_each_other():
    kinds = [getattr(errors, name) for name in KINDS]
    assert not any(issubclass(one, other) for one in kinds for other in kinds if one is not other)


def test_a_missing_extra_says_how_to_install_it():
    assert str(errors.MissingExtraError.of("umap", extra="plots")) == (
        "umap is not installed; run: pip install 'jaxmm[plots]'"
    )
