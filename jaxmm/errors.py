"""The one exception family of the package: what went wrong, where, and what to do about it."""


class JaxmmError(Exception):
    """Base of every error a user can cause; the command line prints it and exits with status 2.

    Example:
        >>> try:
        ...     raise DataError("walk.npz: 'joints' is empty; record at least one frame")
        ... except JaxmmError as error:
        ...     print(error)
        walk.npz: 'joints' is empty; record at least one frame
    """


class ConfigError(JaxmmError):
    """A configuration cannot be loaded, does not fit together, or differs from the one of a run.

    Example:
        >>> issubclass(ConfigError, JaxmmError)
        True
    """


class DataError(JaxmmError):
    """A data file is missing, malformed, or does not hold what its readers need.

    Example:
        >>> issubclass(DataError, JaxmmError)
        True
    """


class WeightsError(JaxmmError):
    """A foreign checkpoint cannot be found, read, or mapped onto a module's parameters.

    Example:
        >>> issubclass(WeightsError, JaxmmError)
        True
    """


class CheckpointError(JaxmmError):
    """A run directory or one of its checkpoints is absent, incomplete, or altered.

    Example:
        >>> issubclass(CheckpointError, JaxmmError)
        True
    """


class DamagedError(CheckpointError):
    """Files of a checkpoint are not those that were saved; an older checkpoint may be sound.

    Example:
        >>> issubclass(DamagedError, CheckpointError)
        True
    """


class DiskFullError(CheckpointError):
    """A checkpoint did not fit on the disk; the ones before it are still there.

    Example:
        >>> issubclass(DiskFullError, CheckpointError)
        True
    """


class ArtefactError(JaxmmError):
    """An exported file cannot be written, read or run, or was given inputs that it does not take.

    Example:
        >>> issubclass(ArtefactError, JaxmmError)
        True
    """


class TrainingError(JaxmmError):
    """Training cannot go on: its numbers stay bad however often it goes back.

    Example:
        >>> issubclass(TrainingError, JaxmmError)
        True
    """


class Interrupted(KeyboardInterrupt):
    """The process was asked to stop by a signal; what was trained is saved.

    Not a `JaxmmError`: nothing went wrong, and no handler of errors should swallow it.

    Args:
        number: The signal's number; a command ends with status 128 more, as shells report it.
        saved_step: Step of the checkpoint that was saved upon the request; None if none had to be.

    Example:
        >>> Interrupted(15).status
        143
    """

    def __init__(self, number: int, saved_step: int | None = None) -> None:
        super().__init__(number)
        self.status = 128 + number
        self.saved_step = saved_step


class MissingExtraError(JaxmmError):
    """An optional dependency is needed and not installed; the message names the extra.

    Example:
        >>> print(MissingExtraError.of("matplotlib", extra="plots"))
        matplotlib is not installed; run: pip install 'jaxmm[plots]'
    """

    @classmethod
    def of(cls, package: str, *, extra: str) -> "MissingExtraError":
        """Builds the error for `package`, which `pip install 'jaxmm[extra]'` would bring."""
        return cls(f"{package} is not installed; run: pip install 'jaxmm[{extra}]'")


def brief(value: object, length: int = 60) -> str:
    """Returns a value as a message quotes it: its representation, cut to a length.

    Example:
        >>> brief("walk"), brief("[" * 1000, 8)
        ("'walk'", "'[[[[...")
    """
    text = repr(value) if not isinstance(value, int) or abs(value) < 10**40 else "an enormous number"
    return text if len(text) <= length else f"{text[: length - 3]}..."


def reason(error: BaseException, length: int = 300) -> str:
    """Returns what another library's error says, cut to a length: it may quote all of a damaged file.

    Example:
        >>> reason(ValueError("bad"))
        'bad'
        >>> reason(ValueError("[" * 1000), 8)
        '[[[[[...'
    """
    text = str(error)
    return text if len(text) <= length else f"{text[: length - 3]}..."
