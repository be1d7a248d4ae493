"""Changes made to the spec on purpose, to prove that the checks notice them and nothing else.

Each is data in `tests/contract/mutations`: a JSON Patch (RFC 6902) to the contract, a replaced text in the published
block, another page, or a rewriting of the whole that means nothing. With it comes its class, the check that has to
notice it and the place that check has to name.

The checks are those that run in CI, called in-process: `conversion` (from what was published to valid OpenAPI),
`facts`, `diff`, `overlay` and `regenerate` (what `scripts/regenerate` would derive, but for the generators' part).
"""

from __future__ import annotations

import copy
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, TypeAlias

import jsonpatch

from openapi import yaml
from openapi.errors import SpecError
from openapi.validation import validate
from spec_pipeline.changes.change import Impact
from spec_pipeline.changes.documents import diff
from spec_pipeline.derive import operations
from spec_pipeline.derive.build import client_openapi
from spec_pipeline.derive.selection import selected
from spec_pipeline.form_a.losses import without_what_form_a_loses
from spec_pipeline.proof import facts
from spec_pipeline.proof.facts import WrapperFacts
from spec_pipeline.proof.rewrites import REWRITES
from spec_pipeline.published import text
from spec_pipeline.published.source import Source

__all__ = ["CHECKS", "Judge", "Mutation", "Notice", "Verdict", "problems", "read_mutations"]

Node: TypeAlias = "dict[str, Any]"

CHECKS = ("conversion", "facts", "diff", "overlay", "regenerate")
NONE = "none"
_CLASSES = (*(impact.name.lower() for impact in Impact), NONE)
# The one operation's place is long, and stands in most pointers.
_SHORT = "$post"
_POST = "/paths/~1v1~1sessions~1{sessionId}~1uploads/post"


@dataclass(frozen=True)
class Mutation:
    """One change. ``cls`` is breaking, compatible, wording, or none for what changes nothing.

    ``noticed_by`` maps each check that has to notice it to the place that the check has to name. Of ``patch`` (to the
    contract), ``text`` (to the published block), ``page`` (in its place) and ``rewrite`` there is one. ``given`` is a
    patch to both sides, for what the contract does not use yet.
    """

    id: str
    cls: str
    noticed_by: Mapping[str, str]
    patch: list[Node] = field(default_factory=list)
    given: list[Node] = field(default_factory=list)
    text: tuple[tuple[str, str], ...] = ()
    page: str = ""
    rewrite: str = ""


def read_mutations(directory: Path) -> list[Mutation]:
    """Read every mutation in the YAML files of a directory. Raises `SpecError` for one that is not well formed."""
    found: dict[str, Mutation] = {}
    for file in sorted(directory.glob("*.yaml")):
        entries = _spelled_out(yaml.load(file.read_text("utf-8"), name=file.name))
        for entry in entries if isinstance(entries, list) else []:
            mutation = _mutation(entry, file.name)
            if mutation.id in found:
                raise SpecError(f"two mutations are called {mutation.id!r}", file.name)
            found[mutation.id] = mutation
    return list(found.values())


def _spelled_out(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _spelled_out(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_spelled_out(item) for item in value]
    return value.replace(_SHORT, _POST) if isinstance(value, str) else value


def _mutation(entry: Node, place: str) -> Mutation:
    entry = dict(entry)
    cls, noticed_by = entry.pop("class", None), entry.pop("noticed by", {})
    text = tuple((edit["old"], edit["new"]) for edit in entry.pop("text", []))
    try:
        mutation = Mutation(cls=cls, noticed_by=noticed_by, text=text, **entry)
    except TypeError as error:
        raise SpecError(f"{entry.get('id')}: {error}", place) from error
    ways = [bool(way) for way in (mutation.patch, mutation.text, mutation.page, mutation.rewrite)]
    if cls not in _CLASSES or not set(noticed_by) <= set(CHECKS) or sum(ways) != 1:
        raise SpecError(f"{mutation.id}: a class, checks that there are, and one way to change the spec", place)
    if (cls == NONE) == bool(noticed_by):
        raise SpecError(f"{mutation.id}: what changes something is noticed, and what does not is not", place)
    return mutation


@dataclass(frozen=True)
class Notice:
    """That a check noticed something, and where; ``impact`` is what the diff makes of it."""

    check: str
    pointer: str
    impact: Impact | None = None


@dataclass(frozen=True)
class Verdict:
    """What the checks made of a mutation; ``problems`` is empty if that is what they should."""

    mutation: Mutation
    notices: tuple[Notice, ...]
    problems: tuple[str, ...]
    seconds: float

    @property
    def noticed_by(self) -> list[str]:
        return [check for check in CHECKS if any(notice.check == check for notice in self.notices)]


@dataclass(frozen=True)
class _Base:
    """The spec before a mutation, what is known to be wrong with it, and what is derived from it."""

    document: Node
    findings: frozenset[tuple[str, str]]
    openapi: str
    client: str


class Judge:
    """Applies mutations to what is vendored in the directory ``spec`` and runs the checks on what comes out."""

    def __init__(self, spec: Path, pages: Path, wrapper: WrapperFacts) -> None:
        self._spec = spec
        self._pages = pages
        self._wrapper = wrapper
        self._wanted = operations.generated(self._spec)
        self._bases: dict[str, _Base] = {}

    @cached_property
    def _overlay(self) -> object:
        return yaml.load((self._spec / "overlay.yaml").read_text("utf-8"), name="spec/overlay.yaml")

    @cached_property
    def _block(self) -> str:
        return (self._spec / Source.read(self._spec).file).read_bytes().decode()

    @cached_property
    def _contract(self) -> Node:
        return without_what_form_a_loses(self._read(self._block))

    def judge(self, mutation: Mutation) -> Verdict:
        started = time.perf_counter()
        notices = tuple(self._notices(mutation))
        return Verdict(mutation, notices, tuple(problems(mutation, notices)), time.perf_counter() - started)

    def _notices(self, mutation: Mutation) -> Iterator[Notice]:
        before = self._base(mutation.given)
        try:
            after = self._mutated(mutation)
            derived = without_what_form_a_loses(after)
            validate(derived, name="")
        except SpecError as error:
            yield Notice("conversion", error.place.rpartition(" ")[2])
            return
        for change in diff(before.document, after):
            yield Notice("diff", change.pointer, change.impact)
        for finding in facts.findings(derived, self._wrapper):
            if (finding.id, finding.pointer) not in before.findings:
                yield Notice("facts", finding.pointer)
        try:
            client = client_openapi(derived, self._overlay)
        except SpecError as error:
            yield Notice("overlay", error.place)
        else:
            if yaml.dump(client) != before.client:
                yield Notice("regenerate", "spec/client.yaml")
        if yaml.dump(derived) != before.openapi:
            yield Notice("regenerate", "spec/openapi.yaml")

    def _base(self, given: list[Node]) -> _Base:
        """Return what the mutated spec is held against."""
        key = repr(given)
        if key not in self._bases:
            document = self._document(_patched(self._contract, given))
            derived = without_what_form_a_loses(document)
            self._bases[key] = _Base(
                document,
                frozenset((finding.id, finding.pointer) for finding in facts.findings(derived, self._wrapper)),
                yaml.dump(derived),
                yaml.dump(client_openapi(derived, self._overlay)),
            )
        return self._bases[key]

    def _mutated(self, mutation: Mutation) -> Node:
        if mutation.text:
            block = self._block
            for old, new in mutation.text:
                if block.count(old) != 1:
                    raise LookupError(f"{mutation.id}: {old!r} stands {block.count(old)} times in the block, not once")
                block = block.replace(old, new)
            return self._read(block)
        if mutation.page:
            return self._document(text.read((self._pages / mutation.page).read_bytes(), mutation.page).document)
        if mutation.rewrite:
            return self._read(REWRITES[mutation.rewrite](_patched(self._contract, mutation.given)))
        return self._document(_patched(_patched(self._contract, mutation.given), mutation.patch))

    def _read(self, block: str) -> Node:
        return self._document(yaml.load(block, name="mutated"))

    def _document(self, document: object) -> Node:
        return selected([("mutated", document)], self._wanted).document


def _patched(document: Node, patch: list[Node]) -> Node:
    result: Node = jsonpatch.apply_patch(document, patch)
    return copy.deepcopy(result)


def problems(mutation: Mutation, notices: tuple[Notice, ...]) -> Iterator[str]:
    """Yield what is not as it should be about what the checks noticed."""
    by_diff = [notice for notice in notices if notice.check == "diff"]
    alarms = [notice for notice in notices if notice.check in ("conversion", "facts", "overlay")]
    refused = any(notice.check == "conversion" for notice in notices)
    cls = max((notice.impact.name.lower() for notice in by_diff if notice.impact is not None), key=_rank, default=NONE)
    if not refused and cls != mutation.cls:
        yield f"is {mutation.cls}, but the diff says {cls}"
    for check, pointer in mutation.noticed_by.items():
        pointers = sorted({notice.pointer for notice in notices if notice.check == check})
        if not pointers:
            yield f"not noticed by {check}"
        elif pointer not in pointers:
            yield f"{check} names {', '.join(pointers)}, not {pointer}"
    if mutation.cls in (NONE, "wording") and alarms:
        yield "false alarm: " + ", ".join(f"{notice.check} at {notice.pointer}" for notice in alarms)


def _rank(cls: str) -> int:
    return (NONE, "wording", "compatible", "breaking").index(cls)
