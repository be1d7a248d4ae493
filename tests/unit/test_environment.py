"""What the environment says of proxies and certificates is used, or refused in words that name the variable."""

from __future__ import annotations

import socket
import traceback
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from anchor_uploads import AnchorUploadsError, AsyncUploadClient, ConnectionFailed, InvalidArgument, UploadClient
from anchor_uploads._net.environment import proxy_for
from support.twins import KEY, SESSION, Call, both

PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
NAMES = {name for proxy in PROXIES for name in (proxy, proxy.lower())} | {"SSL_CERT_FILE", "SSL_CERT_DIR"}


@pytest.fixture(autouse=True)
def _empty(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("variable", "value", "base_url", "expected"),
    [
        ("HTTPS_PROXY", "http://proxy:3128", "https://h", "http://proxy:3128"),
        ("https_proxy", "proxy:3128", "https://h", "http://proxy:3128"),
        ("ALL_PROXY", "https://user:pass@proxy", "https://h", "https://user:pass@proxy"),
        ("HTTPS_PROXY", "http://user:pass/word@proxy:3128", "https://h", "http://user:pass/word@proxy:3128"),
        ("HTTP_PROXY", "http://proxy:3128", "https://h", None),
        ("HTTPS_PROXY", "", "https://h", None),
    ],
)
def test_a_proxy_is_named_by_the_kind_of_url_or_for_all(
    variable: str, value: str, base_url: str, expected: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    found = proxy_for(base_url)
    assert (found and found.url) == expected
    assert found is None or (found.variable == variable and "pass" not in str(found))


@pytest.mark.parametrize(
    ("exceptions", "base_url", "through"),
    [
        ("*", "https://h", False),
        ("example.com", "https://api.example.com", False),
        (".example.com", "https://api.example.com", False),
        ("*.example.com", "https://API.example.com", False),
        ("example.com", "https://notexample.com", True),
        ("example.com:8443", "https://example.com:8443", False),
        ("example.com:8443", "https://example.com", True),
        ("other, example.com", "https://example.com", False),
        ("10.0.0.0/8", "https://10.1.2.3", False),
        ("10.0.0.0/8", "https://11.1.2.3", True),
        ("10.1.1.1/8", "https://10.1.2.3", False),
        ("fd00::1/128", "https://[fd00::1]:8443", False),
        ("fd00::/8,::1/128", "https://h", True),
        ("[fd00::1]", "https://[fd00::1]", False),
        ("", "https://h", True),
    ],
)
def test_no_proxy_names_hosts_domains_networks_and_ports(
    exceptions: str, base_url: str, through: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy:3128")
    monkeypatch.setenv("NO_PROXY", exceptions)
    assert (proxy_for(base_url) is not None) == through
    UploadClient(api_key=KEY, base_url=base_url).close()


@pytest.mark.parametrize(
    ("host", "through"),
    [
        ("127.0.0.1", False),
        ("127.8.9.10", False),
        ("[::1]", False),
        ("localhost", False),
        ("LOCALHOST", False),
        ("anchor.localhost", False),
        ("localhost.example", True),
        ("notlocalhost", True),
        ("10.0.0.1", True),
    ],
)
def test_no_proxy_is_asked_for_this_machine_itself(host: str, through: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(variable, "http://proxy:3128")
    assert (proxy_for(f"http://{host}:8080") is not None) == through


@pytest.mark.parametrize("kind", [UploadClient, AsyncUploadClient])
@pytest.mark.parametrize(
    ("variable", "value", "cure"),
    [
        ("ALL_PROXY", "socks://user:secret@localhost:1080/", "socks5://host:port"),
        ("ALL_PROXY", "socks5://user:secret@localhost:1080", r"pip install 'httpx\[socks\]'"),
        ("HTTPS_PROXY", "http://", "http://host:port"),
        ("HTTPS_PROXY", "http://user:secret@proxy:99999", "http://host:port"),
        ("HTTPS_PROXY", "http://user:secret@proxy:0", "http://host:port"),
        ("https_proxy", "gopher://proxy", "unset the variable"),
        ("SSL_CERT_FILE", "/no/such/file", "SSL_CERT_FILE='/no/such/file'.*unset"),
    ],
)
def test_what_cannot_be_used_is_refused_with_the_variable_and_the_cure(
    kind: type[Any], variable: str, value: str, cure: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Of the same text, and of no meaning here.
    monkeypatch.setenv("ALL_OF_IT", value)
    monkeypatch.setenv(variable, value)
    with pytest.raises(InvalidArgument, match=cure) as caught:
        kind(api_key=KEY)
    assert variable in str(caught.value)
    assert "ALL_OF_IT" not in str(caught.value)
    shown = traceback.TracebackException(type(caught.value), caught.value, caught.tb, capture_locals=True).format()
    # This test's own frame has it by right.
    assert "secret" not in "".join(frame for frame in shown if __file__ not in frame)


@pytest.mark.parametrize("kind", [UploadClient, AsyncUploadClient])
def test_without_tls_no_certificates_are_read(kind: type[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/no/such/file")
    kind(api_key=KEY, base_url="http://anchor.example")
    with pytest.raises(InvalidArgument, match="SSL_CERT_FILE"):
        kind(api_key=KEY, base_url="HTTPS://anchor.example")


@both
def test_a_proxy_that_refuses_is_named_with_its_variable(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        proxy = f"http://user:secret@127.0.0.1:{taken.getsockname()[1]}"
        monkeypatch.setenv("HTTP_PROXY", proxy)
        with pytest.raises(ConnectionFailed) as caught:
            call("http://api.example", "upload_file", SESSION, b"x", filename="a", client={"max_retries": 0})
    ours = call.own is None
    assert ("set NO_PROXY" in str(caught.value)) == ours
    assert ("Check the base URL" in str(caught.value)) != ours
    if ours:
        assert f"through the proxy {proxy.replace('user:secret@', '')} that HTTP_PROXY names" in str(caught.value)
    assert "secret" not in str(caught.value)


_words = st.sampled_from(
    [
        "http",
        "https",
        "socks",
        "socks5",
        "socks5h",
        "ftp",
        "://",
        ":",
        "/",
        "@",
        "[",
        "]",
        "::1",
        "127.0.0.1",
        "proxy",
        "user:secret",
        "3128",
        "99999",
        "-1",
        "*",
        ",",
        ".",
        "/128",
        "%",
        "é",
    ]
)
_values = st.one_of(
    st.lists(_words, max_size=6).map("".join),
    st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=20),
)


@hypothesis_settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(st.sampled_from(sorted(NAMES)), _values, max_size=4))
def test_any_environment_gives_a_client_that_works_or_an_invalid_argument(environment: dict[str, str]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        # Nothing leaves this machine: no name is known.
        patch.setattr(socket, "getaddrinfo", _no_such_host)
        refused = _refused("http://api.example")
    assert refused is None or any(name in refused for name in environment)


def _refused(base_url: Any) -> str | None:
    """Return why no client is made, None if there is one, which then has to fail as it should."""
    try:
        client = UploadClient(api_key=KEY, base_url=base_url, max_retries=0)
    except InvalidArgument as error:
        return str(error)
    with client, pytest.raises(AnchorUploadsError):
        client.get_session(SESSION)
    return None


def _no_such_host(host: Any, *_arguments: Any, **_options: Any) -> Any:
    if isinstance(host, str):
        host.encode("idna")
    raise socket.gaierror(socket.EAI_NONAME, "no such host")


_urls = st.one_of(
    st.text(max_size=30),
    st.text(st.sampled_from("abAB.:/@?#[]%-_0129 \t\n\0é中。"), max_size=25).flatmap(
        lambda rest: st.sampled_from([f"http://{rest}", f"https://{rest}"])
    ),
    st.integers(),
    st.binary(),
    st.lists(st.text()),
)


@hypothesis_settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(_urls)
def test_any_base_url_gives_a_client_that_works_or_an_invalid_argument(base_url: Any) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket, "getaddrinfo", _no_such_host)
        refused = _refused(base_url)
    assert refused is None or "base_url=" in refused


def test_a_time_out_of_httpx_is_taken() -> None:
    with UploadClient(api_key=KEY, timeout=httpx.Timeout(5, connect=None, write=7)) as client:
        timeouts = client.settings.timeouts
    assert (timeouts.connect, timeouts.write, timeouts.answer, timeouts.read) == (None, 7, 5, 5)
