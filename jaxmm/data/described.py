"""Folders of recordings with one file a motion, each described by a row of `captions.jsonl`."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

from jaxmm.data.captions import CAPTIONS, CaptionRow, list_captions
from jaxmm.data.inventory import Inventory, Problem, Recording
from jaxmm.data.motion import Motion
from jaxmm.files import files_below


def list_described(root: Path, *, ending: str, read: Callable[[Path, CaptionRow], Motion]) -> Inventory:
    """Lists a folder whose rows `{"file": "walk.bvh", "text": "a person walks"}` and files must correspond.

    Args:
        root: The folder; files may lie at any depth.
        ending: Ending of the files, such as `.bvh`.
        read: Reads one file with its row; the row's text fields are added as tags.

    Example:
        >>> import tempfile
        >>> root = Path(tempfile.mkdtemp())
        >>> _ = (root / "captions.jsonl").write_text('{"file": "walk.bvh", "text": "a person walks"}')
        >>> list_described(root, ending=".bvh", read=lambda path, row: None).problems[0].message
        ".../captions.jsonl:1: no file 'walk.bvh' in ...; add the file or remove the row"
    """
    rows, problems = list_captions(root / CAPTIONS, name_field="file")
    files = {path.relative_to(root).as_posix() for path in files_below(root, ending)}
    described = [row for row in rows if row.name in files]
    problems += [
        Problem(kind="captions", message=f"{row.where}: no file {row.name!r} in {root}; add the file or remove the row")
        for row in rows
        if row.name not in files
    ]
    undescribed = sorted(files - {row.name for row in rows}) if rows else []
    problems += [
        Problem(
            kind="captions",
            message=f"{root / name}: no caption ({len(undescribed)} such files); "
            f'add a row {{"file": "{name}", "text": "..."}} to {root / CAPTIONS}',
        )
        for name in undescribed
    ]

    def recording(row: CaptionRow) -> Recording:
        return Recording(key=row.name, read=lambda: (dataclasses.replace(read(root / row.name, row), tags=row.tags),))

    return Inventory(recordings=tuple(map(recording, described)), problems=tuple(problems))
