"""Text, of which there is one encoding here."""

from __future__ import annotations

from openapi.errors import SpecError

__all__ = ["decoded"]


def decoded(data: bytes, name: str) -> str:
    """Return the text that a file holds. Raises `SpecError` if it is not UTF-8; its place is `name`."""
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise SpecError(f"not UTF-8: {error}; save it as UTF-8", name) from error
