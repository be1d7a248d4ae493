"""What several commands need: the service's options, and text that a terminal can be given."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import click

Function = TypeVar("Function", bound=Callable[..., Any])

MIB = 1024 * 1024


class _Seconds(click.FloatRange):
    """A range of numbers, which "nan" and "inf" are not."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        seconds: float = super().convert(value, param, ctx)
        if not math.isfinite(seconds):
            self.fail(f"{value!r} is not a number of seconds.", param, ctx)
        return seconds


SECONDS = _Seconds(min=0, min_open=True)

base_url = click.option(
    "--base-url",
    metavar="URL",
    help="Where the service is (default: ANCHORBROWSER_BASE_URL, else the public one).",
)
as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON, an object on each line.")

_timeout = click.option("--timeout", type=SECONDS, metavar="S", help="Seconds to wait for the service at each step.")
_ATTEMPTS = (
    click.option(
        "--deadline", type=SECONDS, metavar="S", help="Seconds for a request, such as a file's, with all attempts."
    ),
    click.option(
        "--retries", "max_retries", type=click.IntRange(min=0), metavar="N", help="Further attempts (default: 2)."
    ),
    click.option(
        "--retry-unknown", is_flag=True, default=None, help="Also send again what may have been saved, or done."
    ),
)
_SETTINGS = ("base_url", "timeout", "deadline", "max_retries", "retry_unknown")


def attempt_options(command: Function) -> Function:
    """Give a command the options that tell where the service is, and how often and how long it is tried."""
    for option in (base_url, *reversed(_ATTEMPTS)):
        command = option(command)
    return command


def call_options(command: Function) -> Function:
    """Give a command the options of a client's calls."""
    return attempt_options(_timeout(command))


def settings(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a client is made with, of a command's options."""
    return given(**{name: options.get(name) for name in _SETTINGS})


def given(**options: Any) -> dict[str, Any]:
    """Return the options that were given; for the others the client has its defaults."""
    return {name: value for name, value in options.items() if value is not None}


def speed(size: int, seconds: float) -> str:
    return f"{size / max(seconds, 1e-9) / 1e6:.0f} MB/s"
