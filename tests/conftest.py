"""Fixtures for all tests."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.raw_server import RawServer

ROOT = Path(__file__).resolve().parents[1]


def pytest_addoption(parser: pytest.Parser) -> None:
    told = "how often to try what goes wrong by bad luck only; more than once, no row is left to one of two APIs"
    parser.addoption("--rounds", type=int, default=1, help=told)


@pytest.fixture
def rounds(request: pytest.FixtureRequest) -> range:
    return range(request.config.getoption("rounds"))


@pytest.fixture(scope="module", autouse=True)
def _what_stays_is_not_looked_at_again() -> None:
    """Keep what lives as long as the tests, thousands of them and what they import, out of the collector's rounds."""
    gc.collect()
    gc.freeze()


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True)
def _no_account(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test may reach a real service by a key that happens to be in the environment."""
    for name in ("ANCHORBROWSER_API_KEY", "ANCHORBROWSER_BASE_URL", "ANCHOR_API_KEY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def raw_server() -> Iterator[RawServer]:
    with RawServer() as server:
        yield server


@pytest.fixture
def root() -> Path:
    return ROOT
