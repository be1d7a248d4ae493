"""What is committed against what was just made: file sets and bytes, both ways."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from spec_pipeline.derive.build import DERIVED


def differences(committed: Path, fresh: Path) -> Iterator[str]:
    """Yield one text for each derived file that is changed, missing or too many below `committed`.

    Each names the file and what it is made from; a changed text comes with a unified diff.
    """
    for derived, origin in DERIVED.items():
        old, new = _files(committed, derived), _files(fresh, derived)
        for name in sorted(old.keys() | new.keys()):
            if name not in new:
                yield f"{name}: is there, but nothing makes it. It belongs to what comes from {origin}.\n"
            elif name not in old:
                yield f"{name}: is missing. It is made from {origin}.\n"
            elif old[name] != new[name]:
                yield f"{name}: differs. It is made from {origin}.\n{_diff(name, old[name], new[name])}"


def _files(root: Path, derived: str) -> dict[str, bytes]:
    top = root / derived
    paths = [top] if top.is_file() else top.rglob("*")
    return {
        PurePosixPath(path.relative_to(root)).as_posix(): path.read_bytes()
        for path in paths
        if path.is_file() and "__pycache__" not in path.parts
    }


def _diff(name: str, old: bytes, new: bytes) -> str:
    try:
        old_lines, new_lines = (text.decode().splitlines(keepends=True) for text in (old, new))
    except UnicodeDecodeError:
        return "(not text)\n"
    diff = difflib.unified_diff(old_lines, new_lines, f"committed/{name}", f"regenerated/{name}")
    return "".join(line if line.endswith("\n") else f"{line}\n\\ no newline at end of file\n" for line in diff)
