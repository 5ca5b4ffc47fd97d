"""What is wrong with recordings of signing: every problem, clip by clip."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float32, Float64

from jaxmm.data.check import Findings, Report, first_of, read_on
from jaxmm.data.inventory import Problem
from jaxmm.data.sign.clip import SignClip, TextKind
from jaxmm.data.sign.layout import HOLISTIC
from jaxmm.data.sign.sources import SignSource
from jaxmm.data.sign.statistics import STATISTICS, Statistics
from jaxmm.data.splits import FileSplit, HashSplit, TagSplit
from jaxmm.errors import DataError

# A sentence takes some ten seconds, of which training sees `max_frames`; a recording of minutes was never cut into any.
LONGEST_SECONDS = 60.0
# The unit is the width of the shoulders, so that this is 1 but for turning away. Shares of an image give 0.1 to 0.4.
NARROWEST_SHOULDERS, WIDEST_SHOULDERS = 0.5, 2.0
# The origin is the middle of the shoulders; who walks about meanwhile does not sign.
FARTHEST_ORIGIN = 1.0
# A stretched arm ends 2.5 widths of the shoulders from their middle, and feet stand 4.3 below.
FARTHEST_LANDMARK = 6.0
# A boxer's fist moves at 10 m/s, which is 30 widths of the shoulders; what a detector sees jitters as much again.
FASTEST_LANDMARK = 60.0
# Normalised frames are of a size of about 1, and by statistics of other signers not of ten times as much.
SMALLEST_NORMALISED, LARGEST_NORMALISED = 0.1, 10.0
# The body's landmarks outside the image are guesses, of which the detector is not sure.
LEAST_VISIBILITY = 0.5

_SHOULDERS = [HOLISTIC.landmark("body/LEFT_SHOULDER"), HOLISTIC.landmark("body/RIGHT_SHOULDER")]
_NOSE = HOLISTIC.landmark("body/NOSE")
_HANDS = np.r_[HOLISTIC.part_landmarks("left_hand"), HOLISTIC.part_landmarks("right_hand")]
_BODY = HOLISTIC.part_landmarks("body")
_VISIBILITY = [HOLISTIC.feature(name, "visibility") for name in HOLISTIC.landmarks[_BODY]]


def check_signs(
    source: SignSource,
    root: Path | None,
    *,
    split: HashSplit | FileSplit | TagSplit | None = None,
    text: TextKind | None = None,
    normalize: bool = True,
) -> Report:
    """Reads all clips of a source, and goes on where something is wrong.

    Args:
        source: The source.
        root: Folder of the source's files; None for the procedural source.
        split: How clips are assigned, to find the same recording in two splits; None compares without.
        text: The text that training reads and every clip should have; None asks for neither.
        normalize: Whether training needs the statistics of a source that brings its own.

    Raises:
        DataError: If `root` is no folder.

    Example:
        >>> import tempfile
        >>> from jaxmm.data.sign.folder import write_sign_folder
        >>> from jaxmm.data.sign.sources import SignFolder
        >>> root = Path(tempfile.mkdtemp())
        >>> unseen = SignClip(key="hello", frames=np.zeros((25, 540), np.float32), fps=25.0, gloss="HELLO")
        >>> _ = write_sign_folder([unseen], root)
        >>> for problem in check_signs(SignFolder(), root, normalize=False).problems:
        ...     print(problem.message)
        hello: nothing is ever in sight; drop it, or detect its landmarks anew
    """
    statistics: Statistics | None = None
    problems: list[Problem] = []
    inventory = source.inventory(root)
    try:
        statistics = source.statistics(root) if normalize else None
    except DataError as error:
        problems.append(Problem(kind="statistics", message=str(error)))
    findings = SignFindings(text=text, statistics=statistics)
    report = read_on(inventory, findings, split=split)
    size = findings.normalised_size()
    if size is not None and not SMALLEST_NORMALISED <= size <= LARGEST_NORMALISED:
        message = (
            f"{root}: normalised by {STATISTICS}, frames are of size {size:.3g}, where 1 is usual; it is of other "
            "recordings or units: compute it anew"
        )
        problems.append(Problem(kind="statistics", message=message))
    return Report(counts=report.counts, problems=(*problems, *report.problems))


class SignFindings(Findings[SignClip]):
    """What has been read of signing.

    Args:
        text: The text that every clip should have; None asks for neither.
        statistics: What frames are to be normalised by; None where nothing is, or by their own.
    """

    noun = "clips"
    description = "row in the table"

    def __init__(self, *, text: TextKind | None = None, statistics: Statistics | None = None) -> None:
        super().__init__()
        self._text: TextKind | None = text
        self._statistics = statistics
        self._sizes: list[float] = []
        self._signers: dict[str, str] = {}
        self._texts: dict[TextKind, list[str]] = {"gloss": [], "sentence": []}
        self._longest = 0.0

    def counts(self) -> dict[str, float]:
        """Returns the numbers of what was read."""
        glosses, sentences = self._texts.values()
        signers = {signer for signer in self._signers.values() if signer}
        return {
            **super().counts(),
            "longest_seconds": self._longest,
            "glosses": len(glosses),
            "distinct_glosses": len(set(glosses)),
            "sentences": len(sentences),
            "distinct_sentences": len(set(sentences)),
            "signers": len(signers),
        }

    def normalised_size(self) -> float | None:
        """Returns how large normalised numbers are in the median clip, as root mean square; None without statistics."""
        return float(np.quantile(self._sizes, 0.5, method="lower")) if self._sizes else None

    def _content(self, clip: SignClip) -> Float32[np.ndarray, "time dim"]:
        return clip.frames

    def _suspicions(self, clip: SignClip) -> Iterator[Problem]:
        self._signers[clip.key] = clip.signer
        for kind, texts in self._texts.items():
            if (own := clip.text(kind)) is not None:
                texts.append(own)
        if self._text is not None and clip.text(self._text) is None:
            message = f"{clip.key}: has no {self._text}, which data.text asks for; it is left out until it has one"
            yield Problem(kind="text", message=message)
        seconds = clip.num_frames / clip.fps
        self._longest = max(self._longest, seconds)
        if seconds > LONGEST_SECONDS:
            message = f"{clip.key}: lasts {seconds:.0f} s; cut it into sentences, or correct its fps"
            yield Problem(kind="long", message=message)
        detected = HOLISTIC.detected(clip.frames)
        if self._statistics is not None and detected.any():
            normalised = (clip.frames.astype(np.float64) - self._statistics.mean) / self._statistics.deviation
            squares = np.square(normalised[detected[:, HOLISTIC.landmark_of_feature]])
            self._sizes.append(float(np.sqrt(squares.mean())))
        yield from _unlikely(clip, detected)

    def _duplicates(self, groups: Sequence[Sequence[str]]) -> Iterator[Problem]:
        """Yields what two signers share once for all of it: as a rule the files of one were given as the other's."""
        shared: dict[tuple[str, ...], list[Sequence[str]]] = {}
        for keys in groups:
            signers = sorted({self._signers[key] for key in keys} - {""})
            if len(signers) < 2:
                yield from super()._duplicates([keys])
            else:
                shared.setdefault(tuple(signers), []).append(keys)
        for signers, found in shared.items():
            message = (
                f"{' and '.join(signers)}: {len(found)} recordings are the same though the signers differ, as in "
                f"{first_of(found[0])}; keep those of one"
            )
            yield Problem(kind="signers", message=message)


def _unlikely(clip: SignClip, detected: Bool[np.ndarray, "time landmarks"]) -> Iterator[Problem]:
    """Yields what no camera sees of one who signs."""
    nothing = ~detected.any(axis=1)
    if nothing.all():
        message = f"{clip.key}: nothing is ever in sight; drop it, or detect its landmarks anew"
        yield Problem(kind="empty", message=message)
        return
    if nothing.any():
        message = (
            f"{clip.key}: frame {nothing.argmax()} shows nothing ({nothing.sum()} such frames of {clip.num_frames}); "
            "cut them away, or detect their landmarks anew"
        )
        yield Problem(kind="empty", message=message)
    if not detected[:, _HANDS].any():
        yield Problem(kind="hands", message=f"{clip.key}: no hand is ever in sight; drop it, or detect hands anew")
    positions = clip.frames[:, HOLISTIC.position_features].astype(np.float64)
    places = positions[..., :2]
    if wrong := _wrong_frame(places, detected):
        kind, message = wrong
        yield Problem(kind=kind, message=f"{clip.key}: {message}")
        return
    sure = detected.copy()
    sure[:, _BODY] &= clip.frames[:, _VISIBILITY] >= LEAST_VISIBILITY
    distances = np.where(sure, np.linalg.norm(positions, axis=-1), 0)
    near = distances <= FARTHEST_LANDMARK
    if not near.all():
        where = _first(~near, distances)
        message = f"{clip.key}: {where} widths of the shoulders away; detect its landmarks anew, or drop it"
        yield Problem(kind="far", message=message)
    # In the image: of one camera, depth is a guess that wavers.
    steps = np.linalg.norm(np.diff(places, axis=0), axis=-1) * clip.fps
    speeds = np.where((sure & near)[1:] & (sure & near)[:-1], steps, 0)
    if (fast := speeds > FASTEST_LANDMARK).any():
        where = _first(np.pad(fast, ((1, 0), (0, 0))), np.pad(speeds, ((1, 0), (0, 0))))
        message = f"{clip.key}: {where} widths of the shoulders a second away from the frame before; cut it there, "
        yield Problem(kind="jump", message=f"{message}or correct its fps")


def _wrong_frame(
    places: Float64[np.ndarray, "time landmarks 2"], detected: Bool[np.ndarray, "time landmarks"]
) -> tuple[str, str] | None:
    """Returns of which kind and how the units, the origin or the axes are not the layout's; None where they are."""
    both = detected[:, _SHOULDERS].all(axis=1)
    if not both.any():
        return "shoulders", "no frame shows both shoulders, which units are measured by; drop it, or detect them anew"
    left, right = places[both][:, _SHOULDERS].swapaxes(0, 1)
    width = float(np.median(np.linalg.norm(left - right, axis=-1)))
    x, y = np.median((left + right) / 2, axis=0).round(2) + 0.0
    if not NARROWEST_SHOULDERS <= width <= WIDEST_SHOULDERS or np.hypot(x, y) > FARTHEST_ORIGIN:
        return "unit", (
            f"the shoulders are {width:.3g} wide and their middle is at ({x:.3g}, {y:.3g}); give landmarks in widths "
            "of the shoulders from their middle, as jaxmm data prepare-sign does"
        )
    if np.median((left - right)[:, 0]) < 0:
        return "axes", "the left shoulder is to the right of the other; let x grow to the left of who signs"
    nose = both & detected[:, _NOSE]
    if nose.any() and np.median(places[nose, _NOSE, 1]) > np.median((left + right)[:, 1] / 2):
        return "axes", "the nose is below the shoulders; let y grow downwards"
    return None


def _first(wrong: Bool[np.ndarray, "time landmarks"], amounts: Float64[np.ndarray, "time landmarks"]) -> str:
    """Names the first frame of which something is wrong, the landmark of which most is, and how much."""
    frames = np.flatnonzero(wrong.any(axis=1))
    landmark = int(np.where(wrong[frames[0]], amounts[frames[0]], 0).argmax())
    amount = amounts[frames[0], landmark]
    return f"in frame {frames[0]} ({len(frames)} such frames) {HOLISTIC.landmarks[landmark]} is {amount:.3g}"
