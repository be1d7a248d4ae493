"""The standard library's TOML reader, which Python 3.10 does not have yet."""

import sys

if sys.version_info >= (3, 11):
    from tomllib import TOMLDecodeError, loads
else:
    from tomli import TOMLDecodeError, loads  # pyright: ignore[reportMissingImports]

__all__ = ["TOMLDecodeError", "loads"]
