"""Sizes, and what strangers wrote, as people can read them."""

from __future__ import annotations


def human_size(size: float) -> str:
    """Return `size` (bytes) in the largest binary unit of which it has one."""
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if size < 1024 or unit == "GiB":
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1024
    raise AssertionError("unreachable")


def printable(text: str) -> str:
    """Return `text` on one line, for a terminal: it would obey what a stranger wrote into a name or a message."""
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode() for character in text
    )
