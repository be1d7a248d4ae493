"""The key, looked for in all that a client and the command print, raise, log or pickle."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from typing import Any
from urllib.parse import quote

import attrs
import httpx

from anchor_uploads import AnchorUploadsError, AsyncUploadClient, UploadClient
from support.raw_server import Behaviour, RawServer, answer, answer_broken, answer_early, reset
from support.twins import SESSION, AsyncCall, SyncCall, call_aiohttp, call_async, call_sync
from trials.trial import IMPATIENT, KEY, Trial, hold, hold_no_key, holds_key, outcome_of

CALLS = (call_sync, call_async, call_aiohttp, SyncCall(httpx.Client), AsyncCall(httpx.AsyncClient))
METHODS: dict[str, tuple[Any, ...]] = {
    "upload_file": (SESSION, b"content"),
    "upload_files": (SESSION, [("a", b"content"), ("b", b"content")]),
    "create_session": (),
    "get_session": (SESSION,),
    "end_session": (SESSION,),
    "list_sessions": (),
    "end_all_sessions": (),
}


def _quoting(trial: Trial) -> Behaviour:
    """Return what answers with the key somewhere in it, in one of its spellings, or breaks off."""
    chance = trial.random
    spelt = chance.choice([KEY, quote(KEY, safe=""), KEY.replace("/", "\\/"), json.dumps(KEY).strip('"')])
    status = chance.choice([200, 204, 302, 400, 401, 403, 404, 413, 429, 500, 503])
    # What would be a result is the service's own words, which are given on as they are.
    results = [{"data": {"message": spelt}}, {"data": {"status": spelt, "id": spelt}}] if status >= 300 else []
    body = chance.choice(
        [spelt.encode(), {"error": {"code": spelt, "message": f"your key {spelt}"}},
         {"error": {"error": {"message": spelt * 100}}}, [spelt], *results]
    )  # fmt: skip
    names = ["X-Request-Id", "Retry-After", "Location", "Set-Cookie", "WWW-Authenticate", "Content-Type", "X", "Server"]
    headers = {name: chance.choice([spelt, f"a={spelt}", "0"]) for name in chance.sample(names, 3)}
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    return chance.choice(
        [answer(status, body, headers), answer_early(status, body, after=2), reset(after=None), reset(after=3),
         answer_broken(status, chance.choice(["badly chunked", "not gzip", "shorter than its length"]), text, headers)]
    )  # fmt: skip


def answers_that_quote_the_key(trial: Trial) -> int:
    """Of calls, all outcomes; what is logged meanwhile is overheard."""
    for method, arguments in METHODS.items():
        call = trial.random.choice(CALLS)
        options = {"filename": "a"} if method == "upload_file" else {}
        client = {"api_key": KEY, "timeout": IMPATIENT, "deadline": 4.0, "max_retries": 1}
        with RawServer() as server:
            server.script = [_quoting(trial) for _ in range(4)]
            outcome = outcome_of(call, server.base_url, method, *arguments, client=client, **options)
        if isinstance(outcome, AnchorUploadsError):
            causes = [outcome.__cause__, outcome.__context__]
            hold(not holds_key(repr(causes)), f"the key is in the repr of the cause, by {call}: {type(causes[0])}")
        elif method == "upload_files":
            hold_no_key(outcome)
            for failed in outcome.failed:
                hold_no_key(failed.error)
    return len(METHODS)


def the_key_in_the_wrong_place(trial: Trial) -> int:
    """A key that was given for something else."""
    wrong: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
        ("upload_file", (KEY, b"x"), {"filename": "a"}),
        ("upload_file", (SESSION, b"x"), {"filename": KEY}),
        ("upload_file", (SESSION, f"/nowhere/{KEY.replace('/', '')}"), {}),
        ("upload_file", (SESSION, b"x"), {"filename": "a", "content_type": KEY + "\n"}),
        ("upload_file", (SESSION, b"x"), {"filename": "a", "deadline": KEY}),
        ("upload_file", (SESSION, KEY), {}),
        ("get_session", (KEY,), {}),
        ("end_session", (f"{KEY}/../x",), {}),
    ]
    for method, arguments, options in wrong:
        with RawServer() as server:
            outcome = outcome_of(
                trial.random.choice(CALLS), server.base_url, method, *arguments, client={"api_key": KEY}, **options
            )
            hold(isinstance(outcome, AnchorUploadsError), f"{method}{arguments} was taken")
    for options in ({"api_key": KEY + "\n"}, {"api_key": KEY, "base_url": f"https://u:{KEY}@host"}):
        hold(isinstance(outcome_of(UploadClient, **options), AnchorUploadsError), f"{[*options]} were taken")
    return len(wrong) + 2


def what_clients_show(_trial: Trial) -> int:
    for kind in (UploadClient, AsyncUploadClient):
        it = kind(api_key=KEY, base_url="http://127.0.0.1:9")
        for shown in (repr(it), str(it), repr(it.settings), repr(attrs.asdict(it.settings))):
            hold(not holds_key(shown), f"shown: {shown}")
        hold(pickle.loads(pickle.dumps(it.settings)).api_key == KEY, "pickled settings have lost the key")  # noqa: S301
    return 2


def what_the_command_prints(trial: Trial) -> int:
    path = trial.directory / "a.txt"
    path.write_bytes(b"content")
    commands = (
        ["upload", SESSION, str(path)],
        ["upload", "--json", SESSION, str(path)],
        ["session", "list"],
        ["doctor"],
    )
    for command in commands:
        with RawServer() as server:
            server.script = [_quoting(trial) for _ in range(6)]
            done = subprocess.run(
                [sys.executable, "-m", "anchor_uploads", *command],
                env={**os.environ, "ANCHORBROWSER_API_KEY": KEY, "ANCHORBROWSER_BASE_URL": server.base_url},
                capture_output=True,
                timeout=60,
                check=False,
            )
        hold(not holds_key(done.stdout + done.stderr), f"{command[:2]} prints the key")
        hold(b"Traceback" not in done.stderr, f"{command[:2]} ends with a traceback: {done.stderr[-300:]!r}")
    return len(commands)


TRIALS = (answers_that_quote_the_key, the_key_in_the_wrong_place, what_clients_show, what_the_command_prints)
