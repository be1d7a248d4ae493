"""What several commands need: the service's options, and text that a terminal can be given."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

Function = TypeVar("Function", bound=Callable[..., Any])

MIB = 1024 * 1024
SECONDS = click.FloatRange(min=0, min_open=True)

base_url = click.option(
    "--base-url",
    metavar="URL",
    help="Where the service is (default: ANCHORBROWSER_BASE_URL, else the public one).",
)
as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON, an object on each line.")

_CALLS = (
    click.option("--timeout", type=SECONDS, metavar="S", help="Seconds to wait for the service at each step."),
    click.option("--deadline", type=SECONDS, metavar="S", help="Seconds that a file may take, with all attempts."),
    click.option(
        "--retries", "max_retries", type=click.IntRange(min=0), metavar="N", help="Further attempts (default: 2)."
    ),
    click.option(
        "--retry-unknown", is_flag=True, default=None, help="Also send a file again that may have been saved."
    ),
)


def call_options(command: Function) -> Function:
    """Give a command the options of a client's calls; `given` makes arguments of them."""
    for option in (base_url, *reversed(_CALLS)):
        command = option(command)
    return command


def given(**options: Any) -> dict[str, Any]:
    """Return the options that were given; for the others the client has its defaults."""
    return {name: value for name, value in options.items() if value is not None}


def speed(size: int, seconds: float) -> str:
    return f"{size / max(seconds, 1e-9) / 1e6:.0f} MB/s"
