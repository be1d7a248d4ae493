"""The standard library's TOML reader, which Python 3.10 does not have yet."""

from __future__ import annotations

import sys
from typing import Any

from openapi.errors import SpecError
from openapi.text import decoded

if sys.version_info >= (3, 11):
    from tomllib import TOMLDecodeError, loads
else:
    from tomli import TOMLDecodeError, loads  # pyright: ignore[reportMissingImports]

__all__ = ["load"]


def load(data: bytes, *, name: str) -> dict[str, Any]:
    """Read a file of TOML. Raises `SpecError` if it is none; its place is `name`."""
    try:
        found: dict[str, Any] = loads(decoded(data, name))
    except TOMLDecodeError as error:
        raise SpecError(f"cannot be read: {error}", name) from error
    return found
