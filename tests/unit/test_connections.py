"""Connections: the warm ones first, none kept for too long, none after the client is closed."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from anchor_uploads import InvalidArgument
from anchor_uploads._net import connections
from anchor_uploads._net.connections import Connections, _Warm


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1000.0]
    monkeypatch.setattr(connections.time, "monotonic", lambda: now[0])
    return now


def test_the_one_used_last_is_taken_first() -> None:
    warm: _Warm[Any] = _Warm()
    assert warm.take() is None
    for client in "abc":
        assert warm.give(client) == []
    assert [warm.take(), warm.take(), warm.take(), warm.take()] == ["c", "b", "a", None]


def test_what_was_idle_for_longer_than_servers_keep_it_is_given_up(clock: list[float]) -> None:
    warm: _Warm[Any] = _Warm()
    warm.give("old")
    clock[0] += 4
    assert warm.give("newer") == []
    clock[0] += 2
    assert warm.give("newest") == ["old"]
    assert warm.clear() == ["newer", "newest"]
    assert warm.take() is None


class Finished:
    whole = True


def test_what_is_given_back_after_the_client_was_closed_is_closed() -> None:
    it = Connections(None, "http://h")
    client = httpx.Client()
    assert it._not_kept(client, it._warm, Finished()) == []  # type: ignore[arg-type]
    it.close()
    assert client.is_closed
    assert it._not_kept(client, it._warm, Finished()) == [client]  # type: ignore[arg-type]
    with pytest.raises(InvalidArgument, match="closed"):
        it.check_open()
