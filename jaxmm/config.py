"""Settings as JSON and back, and the difference between two; knows no particular setting."""

import dataclasses
import importlib
import json
import typing
from collections.abc import Iterator, Sequence
from typing import Any, Literal

from jaxmm.errors import ConfigError, brief, reason

ALLOWED_PREFIXES = ("jaxmm.",)
"""Modules whose classes a JSON document may name; a document is data and must not run anything else."""

_CLASS = "class"
_SKIPPED = ("parent", "name")  # Linen's own fields, which hold no settings


def encode(settings: Any) -> Any:
    """Turns settings, dataclasses and Linen modules among them, into JSON values.

    Raises:
        ConfigError: If a value is of a type that JSON cannot hold.

    Example:
        >>> from jaxmm.optim import Group
        >>> encode(Group(pattern="^text/", lr_scale=0.1))
        {'class': 'jaxmm.optim.Group', 'pattern': '^text/', 'lr_scale': 0.1, 'weight_decay': None}
    """
    if dataclasses.is_dataclass(settings) and not isinstance(settings, type):
        kind = type(settings)
        fields = {field.name: encode(getattr(settings, field.name)) for field in _fields(kind)}
        return {_CLASS: f"{kind.__module__}.{kind.__qualname__}", **fields}
    if isinstance(settings, list | tuple):
        return [encode(value) for value in settings]
    if isinstance(settings, dict):
        return {str(key): encode(value) for key, value in settings.items()}
    if settings is None or isinstance(settings, bool | int | float | str):
        return settings
    raise ConfigError(f"a setting of type {type(settings).__name__} cannot be saved; use numbers, text or dataclasses")


def decode(document: Any, *, allowed_prefixes: Sequence[str] = ALLOWED_PREFIXES) -> Any:
    """Builds settings from what `encode` returned; lists become tuples.

    Args:
        document: JSON values.
        allowed_prefixes: Modules whose classes may be named.

    Raises:
        ConfigError: If a class is not allowed, does not exist, or does not take the fields that are given.

    Example:
        >>> decode({"class": "jaxmm.optim.Group", "pattern": "head", "lr_scale": None})
        Group(pattern='head', lr_scale=None, weight_decay=None)
        >>> decode({"class": "os.system", "command": "ls"})
        Traceback (most recent call last):
        jaxmm.errors.ConfigError: class 'os.system' is not allowed; its module must begin with jaxmm.
    """
    if isinstance(document, list):
        return tuple(decode(value, allowed_prefixes=allowed_prefixes) for value in document)
    if not isinstance(document, dict):
        return document
    values = {
        name: decode(value, allowed_prefixes=allowed_prefixes) for name, value in document.items() if name != _CLASS
    }
    if _CLASS not in document:
        return values
    kind = _find_class(str(document[_CLASS]), allowed_prefixes)
    unknown = set(values) - {field.name for field in _fields(kind)}
    if unknown:
        raise ConfigError(
            f"{document[_CLASS]} has no field {', '.join(map(brief, sorted(unknown)[:5]))}; "
            "the file is of another version"
        )
    _check_choices(kind, values)
    try:
        return kind(**values)
    except (TypeError, AttributeError) as error:  # a field that is of another type than its checks expect
        raise ConfigError(f"{document[_CLASS]}: {reason(error)}; the file is of another version") from error


def differences(old: Any, new: Any) -> list[str]:
    """Lists where two encoded settings differ, one line a field.

    Example:
        >>> differences({"data": {"fps": 20}}, {"data": {"fps": 30}})
        ['data.fps: 20 -> 30']
    """
    before, after = dict(_leaves(old)), dict(_leaves(new))
    absent = "(absent)"
    return [
        f"{name}: {json.dumps(before[name]) if name in before else absent} -> "
        f"{json.dumps(after[name]) if name in after else absent}"
        for name in {**before, **after}
        if name not in before or name not in after or before[name] != after[name]
    ]


def _leaves(document: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(document, dict | list) and document:
        items = document.items() if isinstance(document, dict) else enumerate(document)
        for key, value in items:
            yield from _leaves(value, f"{name}.{key}" if name else str(key))
    elif name:
        yield name, document


def _fields(kind: type) -> list[dataclasses.Field[Any]]:
    return [field for field in dataclasses.fields(kind) if field.init and field.name not in _SKIPPED]


def _check_choices(kind: type, values: dict[str, Any]) -> None:
    """Python takes any value where a field names its choices, and code that tells them apart takes it for the last."""
    hints = typing.get_type_hints(kind)
    for name, value in values.items():
        if typing.get_origin(hints[name]) is Literal and value not in typing.get_args(hints[name]):
            choices = ", ".join(map(repr, typing.get_args(hints[name])))
            raise ConfigError(f"{kind.__name__}.{name} is {brief(value)}; choose among {choices}")


def _find_class(path: str, allowed_prefixes: Sequence[str]) -> type:
    if not path.startswith(tuple(allowed_prefixes)):
        raise ConfigError(
            f"class {brief(path)} is not allowed; its module must begin with {' or '.join(allowed_prefixes)}"
        )
    module, _, name = path.rpartition(".")
    try:
        kind = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise ConfigError(f"class {brief(path)} does not exist; the file is of another version") from error
    if not (isinstance(kind, type) and dataclasses.is_dataclass(kind)):
        raise ConfigError(f"{brief(path)} is not a settings class")
    return kind
