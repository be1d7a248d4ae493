"""Playwright's async API behind the face of the sync one, so that a test is written once and runs for both."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from anyio.from_thread import BlockingPortal


class Blocking:
    """An object of the async API whose calls wait for their result, in the event loop behind `portal`."""

    def __init__(self, it: Any, portal: BlockingPortal) -> None:
        self.it = it
        self.portal = portal

    def __getattr__(self, name: str) -> Any:
        value = self.portal.call(getattr, self.it, name)
        return self.call(value) if callable(value) else self._wrapped(value)

    def call(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            async def run() -> Any:
                result = function(*map(_bare, arguments), **options)
                return await result if inspect.isawaitable(result) else result

            return self._wrapped(self.portal.call(run))

        return call

    def _wrapped(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self._wrapped(each) for each in value]
        return Blocking(value, self.portal) if type(value).__module__.startswith("playwright.") else value


def _bare(value: Any) -> Any:
    return value.it if isinstance(value, Blocking) else value
