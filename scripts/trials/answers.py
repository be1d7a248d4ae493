"""Answers of every broken shape, to every call: what comes of them is one of our errors, or true."""

from __future__ import annotations

import gzip
import json
import random
from typing import Any, NamedTuple

from anchor_uploads import AnchorUploadsError, Session, UploadedFile
from support.raw_server import Exchange, RawServer
from support.twins import SESSION, call_aiohttp, call_async, call_sync
from trials.trial import IMPATIENT, KEY, Trial, check_held, hold, outcome_of

CALLS = (call_sync, call_async, call_aiohttp)
STATUSES: tuple[int, ...] = (
    200,
    200,
    200,
    201,
    204,
    206,
    226,
    299,
    300,
    301,
    302,
    304,
    307,
    308,
    400,
    401,
    403,
    404,
    408,
    409,
    413,
    418,
)
STATUSES += (422, 429, 431, 500, 501, 502, 503, 504, 599, 600, 999, 199, 0)
HEADERS = (
    *(f"Retry-After: {value}" for value in ("0", "-1", "1e9", "nan", "0x1", "1" * 400, "Fri, 99 Foo", "\xb2", "")),
    *(f"Location: {value}" for value in ("/", "http://[", "//\\", "https://127.0.0.1:1/", f"/?apiKey={KEY}", "")),
    *(f"Content-Type: {value}" for value in ("text/html", "application/json; charset=utf-7", ";;;", "multipart/mixed")),
    *(f"X-Request-Id: {value}" for value in ("x" * 5000, "\xff", KEY)),
    *("Set-Cookie: a=b; Domain=", "Trailer: X", "Link: <>", "Upgrade: h2c", "Connection: upgrade, close", ": empty"),
    *("no colon", " folded: yes", "A\x00B: c", "Transfer-Encoding: gzip, chunked", "Content-Encoding: br", "Age: -1"),
    *("Content-Length: -1", "Content-Length: 5, 6", "Content-Length: " + "9" * 30, "Content-Encoding: deflate, gzip"),
)
LINES: tuple[str, ...] = (
    "HTTP/1.1 {}",
    "HTTP/1.1 {} OK",
    "HTTP/1.0 {} OK",
    "HTTP/1.1  {} OK",
    "HTTP/2 {}",
    "HTTP/9.9 {} ?",
    "ICY {} OK",
)
LINES += ("HTTP/1.1 {} \xe9\xff", "http/1.1 {} ok", "{}", "HTTP/1.1 {}5 no", "\r\n\r\nHTTP/1.1 {} late", "SSH-2.0-{}")
# What is small, and 30 MB.
INFLATED = gzip.compress(bytes(30_000_000), mtime=0)


class Plan(NamedTuple):
    """What one request is answered with. early: before it was read. cut: how much of it is sent."""

    status: int
    data: bytes
    early: bool
    cut: int | None
    ending: str

    def __str__(self) -> str:
        return f"{self.data[:200]!r} ({len(self.data)} bytes, early={self.early}, cut={self.cut}, {self.ending})"


def _anything(chance: random.Random, depth: int = 0) -> Any:
    kinds = [None, True, 0, -1.5, 10**400, "", "a", KEY, "File saved at /uploads/a", "\ud800", "x" * 3000, 404]
    if depth > 3 or chance.random() < 0.5:
        return chance.choice(kinds)
    if chance.random() < 0.3:
        return [_anything(chance, depth + 1) for _ in range(chance.randrange(4))]
    names = ("data", "error", "code", "message", "status", "id", "cdp_url", "items", "session_id", "count", "", "a")
    return {name: _anything(chance, depth + 1) for name in chance.sample(names, chance.randrange(6))}


def _body(chance: random.Random) -> bytes:
    text = json.dumps(_anything(chance)).encode()
    saved = json.dumps({"data": {"status": "success", "message": "File saved at /uploads/a.bin"}}).encode()
    shapes = [text, saved, b"", text[:-1], text + b"}", b"\xef\xbb\xbf" + saved, saved.decode().encode("utf-16")]
    shapes += [
        b"[" * 100_000,
        b'{"data":' * 50_000,
        b"9" * 5000,
        b"NaN",
        b"\x00" * 100,
        b"\xff\xfe\x80",
        b"x" * 3_000_000,
    ]
    shapes += [b"<html><h1>502</h1>", f"apiKey={KEY}".encode(), gzip.compress(saved, mtime=0), INFLATED]
    return chance.choice(shapes)


def _plan(chance: random.Random) -> Plan:
    status, body = chance.choice(STATUSES), _body(chance)
    interim = b"".join(
        f"HTTP/1.1 {chance.choice([100, 102, 103, 101, 199])} x\r\n\r\n".encode()
        for _ in range(chance.choice([0, 0, 0, 0, 1, 2, 300]))
    )
    line = chance.choice([*LINES[:3] * 4, *LINES]).format(status)
    lengths = [f"Content-Length: {len(body)}"] * 6 + [
        f"Content-Length: {max(0, len(body) + chance.randint(-9, 9))}",
        "",
    ]
    lengths += ["Transfer-Encoding: chunked", "Transfer-Encoding: chunked\r\nContent-Length: 3"]
    length = chance.choice(lengths)
    if "chunked" in length and chance.random() < 0.8:
        body = b"%x\r\n%b\r\n0\r\n%b\r\n" % (len(body), body, chance.choice([b"", b"X: y\r\n", b"bad"]))
    encoding = ["Content-Encoding: gzip"] * (body[:2] == b"\x1f\x8b" or chance.random() < 0.05)
    fields = [*chance.sample(HEADERS, chance.choice([0, 0, 1, 2])), *encoding, *filter(None, [length])]
    many = [f"X-{at}: {'y' * 100}" for at in range(chance.choice([0] * 20 + [150, 2000]))]
    head = "\r\n".join([line, *fields, *many, "", ""]).encode("latin-1")
    data = interim + head.replace(b"\r\n", chance.choice([b"\r\n"] * 9 + [b"\n"])) + body
    cut = chance.choice([None] * 4 + [chance.randrange(len(data) + 1), chance.randrange(60)])
    return Plan(status, data, chance.random() < 0.3, cut, chance.choice(["close", "close", "keep", "reset"]))


def _behaviour(plan: Plan) -> Any:
    def behave(exchange: Exchange) -> None:
        exchange.read(100 if plan.early else None)
        exchange.send(plan.data[: plan.cut])
        if plan.ending == "keep":
            exchange.read()
        else:
            exchange.close() if plan.ending == "close" else exchange.reset()

    return behave


def answers_to_uploads(trial: Trial) -> None:
    chance = trial.random
    # The last is more than systems take of what nobody reads.
    content = chance.randbytes(chance.choice([0, 1000, 8_000_000]))
    plans = [_plan(chance) for _ in range(3)]
    if len(content) <= 1000:
        # What is small is out before anybody can answer, and nobody knows then that it was not read.
        plans = [plan._replace(early=False) for plan in plans]
    client: dict[str, Any] = {
        "api_key": KEY,
        "timeout": IMPATIENT,
        "deadline": 4.0,
        "max_retries": chance.randint(0, 2),
    }
    call = chance.choice(CALLS)
    if call is call_aiohttp:
        # httpx-aiohttp does not close a response whose reason is not ASCII.
        plans = [plan._replace(data=plan.data.replace(b"\xe9\xff", b"OK", 1)) for plan in plans]
    with RawServer(narrow=True) as server:
        server.script = [_behaviour(plan) for plan in plans]
        outcome = outcome_of(call, server.base_url, "upload_file", SESSION, content, filename="a.bin", client=client)
        server.settle()
        whole = [(it.part()[1], plan) for it, plan in zip(server.requests, plans, strict=False) if it.complete]
    # What says no, or nothing that is HTTP, need not have saved it.
    held = [part for part, plan in whole if plan.status < 300]
    try:
        believed = [plan for plan in plans[: len(server.requests)] if 200 <= plan.status < 300]
        hold(believed or not isinstance(outcome, UploadedFile), f"a success that nobody said: {outcome!r}")
        # An answer that cannot be read is none, and a status that was said is believed.
        twice = any(plan.status in (0, 199) or plan.status >= 400 or plan.data[:1] != b"H" for plan in plans)
        check_held(outcome, held, content, twice=twice)
    except AssertionError as wrong:
        told = "; ".join(map(str, plans[: len(server.requests)]))
        raise type(wrong)(f"{wrong}; {call}, {len(content)} bytes, met {told}") from None


def answers_to_other_calls(trial: Trial) -> int:
    calls: dict[str, tuple[Any, ...]] = {
        "create_session": (Session,),
        "get_session": (str, type(None)),
        "end_session": (type(None),),
        "list_sessions": (list, tuple),
        "end_all_sessions": (type(None),),
    }
    for method, results in calls.items():
        chance = trial.random
        plans = [_plan(chance) for _ in range(2)]
        client: dict[str, Any] = {"api_key": KEY, "timeout": IMPATIENT, "deadline": 4.0, "max_retries": 1}
        arguments = [SESSION] if method in ("get_session", "end_session") else []
        with RawServer() as server:
            server.script = [_behaviour(plan) for plan in plans]
            outcome = outcome_of(chance.choice(CALLS), server.base_url, method, *arguments, client=client)
        right = isinstance(outcome, (AnchorUploadsError, *results))
        hold(right, f"{method} came to {outcome!r}; met {'; '.join(map(str, plans))}")
    return len(calls)


TRIALS = (answers_to_uploads, answers_to_uploads, answers_to_uploads, answers_to_other_calls)
