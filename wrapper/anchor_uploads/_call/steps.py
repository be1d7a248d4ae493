"""The idiom of every conversation: a generator yields what it wants done and is sent what came of it.

So each conversation, with the service over HTTP or with a browser over CDP, is written once, for those who do its steps
at once and for those who have to await them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator
from contextlib import closing
from typing import Any, TypeVar, cast

Step = TypeVar("Step")
Result = TypeVar("Result")


def run(steps: Generator[Step, Any, Result], do: Callable[[Step], Any]) -> Result:
    """Have each step done by `do` and return the result; what `do` raises is raised where the step was asked for."""
    with closing(steps):
        try:
            step = next(steps)
            while True:
                try:
                    came = do(step)
                except Exception as error:
                    step = steps.throw(error)
                else:
                    step = steps.send(came)
        except StopIteration as end:
            return cast(Result, end.value)


async def run_async(steps: Generator[Step, Any, Result], do: Callable[[Step], Awaitable[Any]]) -> Result:
    """`run` for a `do` that must be awaited."""
    with closing(steps):
        try:
            step = next(steps)
            while True:
                try:
                    came = await do(step)
                except Exception as error:
                    step = steps.throw(error)
                else:
                    step = steps.send(came)
        except StopIteration as end:
            return cast(Result, end.value)
