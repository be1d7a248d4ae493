"""A clock that goes on where tests stop that of their program, as freezegun does: a server has to end all the same."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from typing import cast

__all__ = ["monotonic"]

# Those who stop the time replace what is in the module `time`, and what others have imported from it. This is a second
# instance of the module, with functions of its own.
_time = importlib.util.module_from_spec(cast(ModuleSpec, importlib.util.find_spec("time")))
monotonic: Callable[[], float] = _time.monotonic
"""Seconds since some moment, as `time.monotonic` has them."""
