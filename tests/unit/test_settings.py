"""Settings are checked before anything is sent, and never show the key."""

from __future__ import annotations

import pickle
from typing import Any

import attrs
import pytest

from anchor_uploads import InvalidArgument, Timeouts
from anchor_uploads._call.settings import DEFAULT_BASE_URL, Settings


def settings(api_key: str | None = None, base_url: str | None = None, **others: Any) -> Settings:
    return Settings.from_environment(api_key=api_key, base_url=base_url, **others)


def test_the_environment_gives_what_is_not_passed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANCHORBROWSER_API_KEY", "from-environment")
    monkeypatch.setenv("ANCHORBROWSER_BASE_URL", "http://localhost:1/")
    assert settings() == Settings("from-environment", "http://localhost:1")
    assert settings(api_key="k", base_url="https://h/p/") == Settings("k", "https://h/p")


def test_the_defaults() -> None:
    found = settings(api_key="k")
    assert (found.base_url, found.max_retries, found.retry_unknown) == (DEFAULT_BASE_URL, 2, False)
    assert found.timeouts == Timeouts(connect=10, write=60, answer=300, read=60)
    assert settings(api_key="k", timeouts=5).timeouts == Timeouts(5, 5, 5, 5)


def test_no_key_says_where_to_put_one() -> None:
    with pytest.raises(InvalidArgument, match="ANCHORBROWSER_API_KEY"):
        settings()


def test_settings_with_another_key_are_others() -> None:
    assert settings(api_key="k") == settings(api_key="k")
    assert settings(api_key="k") != settings(api_key="l")
    assert settings(api_key="k")._api_key != "k"


@pytest.mark.parametrize("key", ["", " secret", "secret\n", "secret\r\nX: y", "clé-secret"])
def test_a_key_that_no_header_can_carry_is_refused_and_not_shown(key: str) -> None:
    with pytest.raises(InvalidArgument, match="API key") as caught:
        settings(api_key=key)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "api.anchorbrowser.io",
        "ftp://h",
        "https://",
        "https://user:secret@h",
        "https://h?x=1",
        "https://h?",
        "https://h#",
        "https://h/x?",
        "https://@h",
        "https://h:x",
        "http://[::1",
    ],
)
def test_a_base_url_that_cannot_be_right_is_refused(url: str) -> None:
    with pytest.raises(InvalidArgument, match="base URL") as caught:
        settings(api_key="k", base_url=url)
    assert "secret" not in str(caught.value)
    # Of some a part may be a secret.
    assert (f"the base URL {url.rstrip('/')!r} must" in str(caught.value)) != any(mark in url for mark in "@?#")


@pytest.mark.parametrize(("key", "url"), [("https://api.anchorbrowser.io", "sk-secret"), ("sk-secret", "sk-secret")])
def test_a_key_in_the_place_of_the_base_url_is_not_shown(key: str, url: str) -> None:
    with pytest.raises(InvalidArgument, match="base URL") as caught:
        settings(api_key=key, base_url=url)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("timeout", [0, -1, float("nan"), True, "5"])
def test_a_timeout_that_is_none_is_refused(timeout: float) -> None:
    with pytest.raises(InvalidArgument, match="timeout"):
        settings(api_key="k", timeouts=timeout)


@pytest.mark.parametrize("count", [-1, 1.5, True, None])
def test_a_count_of_retries_that_is_none_is_refused(count: int) -> None:
    with pytest.raises(InvalidArgument, match="max_retries"):
        settings(api_key="k", max_retries=count)


def test_settings_can_be_pickled_and_changed_but_do_not_show_the_key() -> None:
    found = settings(api_key="sk-secret")
    assert pickle.loads(pickle.dumps(found)) == found
    assert attrs.evolve(found, max_retries=0).max_retries == 0
    assert "sk-secret" not in repr(found)
