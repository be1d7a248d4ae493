"""Changes made to the spec on purpose, to prove that the checks notice them and nothing else.

Each is data in `tests/pipeline/mutations`: a JSON Patch (RFC 6902) to the contract, a replaced text in the published
block, another page, or a rewriting of the whole that means nothing. With it comes its class, the check that has to
notice it and the place that check has to name. All but texts are tried in each form in which the contract is published:
in forms B and C the published document is changed, and in form A what it is converted to.

The checks are those that run in CI, called in-process: `conversion` (from what was published to valid OpenAPI),
`facts`, `diff`, `overlay` and `regenerate` (what `scripts/regenerate` would derive, but for the generators' part).
"""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any, TypeAlias

import jsonpatch

from openapi import yaml
from openapi.document import operations as operations_of
from openapi.errors import SpecError
from openapi.pointers import followed, steps
from openapi.text import decoded
from spec_pipeline.changes.change import Impact
from spec_pipeline.changes.documents import diff
from spec_pipeline.derive import operations
from spec_pipeline.derive.build import client_openapi
from spec_pipeline.derive.selection import openapi, selected
from spec_pipeline.form_a.losses import without_what_form_a_loses
from spec_pipeline.proof import facts
from spec_pipeline.proof.facts import WrapperFacts
from spec_pipeline.proof.rewrites import REWRITES
from spec_pipeline.published import text
from spec_pipeline.published.page import Form
from spec_pipeline.published.source import Source

__all__ = ["CHECKS", "Judge", "Mutation", "Notice", "Verdict", "problems", "read_mutations"]

Node: TypeAlias = "dict[str, Any]"

CHECKS = ("conversion", "facts", "diff", "overlay", "regenerate")
NONE = "none"
_CLASSES = (*(impact.name.lower() for impact in Impact), NONE)
# The one operation's place is long, and stands in most pointers.
_SHORT = "$post"
_POST = "/paths/~1v1~1sessions~1{sessionId}~1uploads/post"
# The vendored contract is in form A; these pages hold the same in the other two.
_PAGES = {Form.B: "upload-files.openapi.md", Form.C: "upload-files.whole.md"}
_SCHEMAS = "#/components/schemas/"


@dataclass(frozen=True)
class Mutation:
    """One change. `cls` is breaking, compatible, wording, or none for what changes nothing.

    `noticed_by` maps each check that has to notice it to the place that the check has to name. Of `patch` (to the
    contract), `text` (to the published block), `page` (in its place) and `rewrite` there is one. `given` is a
    patch to both sides, for what the contract does not use yet. `forms` are those in which it says what it means to.
    """

    id: str
    cls: str
    noticed_by: Mapping[str, str]
    patch: list[Node] = field(default_factory=list)
    given: list[Node] = field(default_factory=list)
    text: tuple[tuple[str, str], ...] = ()
    page: str = ""
    rewrite: str = ""
    forms: tuple[Form, ...] = tuple(Form)


def read_mutations(directory: Path) -> list[Mutation]:
    """Read every mutation in the YAML files of a directory. Raises `SpecError` for one that is not well formed."""
    found: dict[str, Mutation] = {}
    for file in sorted(directory.glob("*.yaml")):
        entries = _spelled_out(yaml.load(file.read_bytes(), name=file.name))
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
        forms = tuple(map(Form, entry.pop("forms", Form)))
        mutation = Mutation(cls=cls, noticed_by=noticed_by, text=text, forms=forms, **entry)
    except (TypeError, ValueError) as error:
        raise SpecError(f"{entry.get('id')}: {error}", place) from error
    if not forms or (text and len(forms) != 1):
        raise SpecError(f"{mutation.id}: in which forms? A text is one of one form", place)
    ways = [bool(way) for way in (mutation.patch, mutation.text, mutation.page, mutation.rewrite)]
    if cls not in _CLASSES or not set(noticed_by) <= set(CHECKS) or sum(ways) != 1:
        raise SpecError(f"{mutation.id}: a class, checks that there are, and one way to change the spec", place)
    if (cls == NONE) == bool(noticed_by):
        raise SpecError(f"{mutation.id}: what changes something is noticed, and what does not is not", place)
    return mutation


@dataclass(frozen=True)
class Notice:
    """That a check noticed something, and where; `impact` is what the diff makes of it."""

    check: str
    pointer: str
    impact: Impact | None = None


@dataclass(frozen=True)
class Verdict:
    """What the checks made of a mutation in all its forms; `problems` is empty if that is what they should."""

    mutation: Mutation
    notices: frozenset[Notice]
    problems: tuple[str, ...]
    seconds: float

    @property
    def noticed_by(self) -> list[str]:
        return [check for check in CHECKS if any(notice.check == check for notice in self.notices)]


@dataclass(frozen=True)
class _Derived:
    """What is derived from a contract, as text, and what is known to be wrong with it.

    Without a `client` the overlay does not fit, at the place `refused`.
    """

    openapi: str
    findings: frozenset[tuple[str, str]]
    client: str = ""
    refused: str = ""


class Judge:
    """Applies mutations to what is vendored in the directory `spec` and runs the checks on what comes out."""

    def __init__(self, spec: Path, pages: Path, wrapper: WrapperFacts) -> None:
        self._spec = spec
        self._pages = pages
        self._wrapper = wrapper
        self._wanted = operations.generated(self._spec)
        self._overlay = yaml.load((self._spec / "overlay.yaml").read_bytes(), name="spec/overlay.yaml")
        self._bases: dict[str, Node] = {}
        self._known: dict[str, _Derived] = {}

    @cached_property
    def _blocks(self) -> dict[Form, str]:
        """What is published, in each form."""
        source = Source.read(self._spec)
        vendored = decoded((self._spec / source.file).read_bytes(), source.file)
        return {Form.A: vendored, **{form: self._page(name).text for form, name in _PAGES.items()}}

    @cached_property
    def _documents(self) -> dict[Form, Node]:
        """What a patch is applied to, in each form."""
        converted = without_what_form_a_loses(self._read(self._blocks[Form.A]))
        return {Form.A: converted, **{form: openapi(self._page(name).document) for form, name in _PAGES.items()}}

    def judge(self, mutation: Mutation) -> Verdict:
        started = time.perf_counter()
        noticed = {form: frozenset(self._notices(mutation, form)) for form in mutation.forms}
        found = [
            f"form {form.value}: {problem}"
            for form, notices in noticed.items()
            for problem in problems(mutation, notices)
        ]
        together = frozenset().union(*noticed.values())
        for form, notices in noticed.items():
            if missed := together - notices:
                places = ", ".join(sorted(f"{notice.check} at {notice.pointer}" for notice in missed))
                found.append(f"form {form.value}: not noticed there, but in another form: {places}")
        return Verdict(mutation, together, tuple(found), time.perf_counter() - started)

    def _notices(self, mutation: Mutation, form: Form) -> Iterator[Notice]:
        old = self._base(form, mutation.given)
        before = self._derived(old)
        try:
            new = self._mutated(mutation, form)
        except SpecError as error:
            yield Notice("conversion", error.place.rpartition(" ")[2])
            return
        after = self._derived(new)
        for change in diff(old, new):
            yield Notice("diff", change.pointer, change.impact)
        for _id, pointer in after.findings - before.findings:
            yield Notice("facts", pointer)
        if not after.client:
            yield Notice("overlay", after.refused)
        elif after.client != before.client:
            yield Notice("regenerate", "spec/client.yaml")
        if after.openapi != before.openapi:
            yield Notice("regenerate", "spec/openapi.yaml")

    def _base(self, form: Form, given: list[Node]) -> Node:
        """Return what the mutated spec is held against."""
        key = f"{form} {given}"
        if key not in self._bases:
            self._bases[key] = self._document(_patched(self._documents[form], given))
        return self._bases[key]

    def _derived(self, document: Node) -> _Derived:
        """Return what comes of a document; the same contract gives the same in each form, so it is asked for once."""
        contract = without_what_form_a_loses(document)
        # Texts of JSON differ where those of YAML do, and are made in a fraction of the time.
        key = json.dumps(contract)
        if key not in self._known:
            found = frozenset((finding.id, finding.pointer) for finding in facts.findings(contract, self._wrapper))
            try:
                client = json.dumps(client_openapi(contract, self._overlay))
                self._known[key] = _Derived(key, found, client=client)
            except SpecError as error:
                self._known[key] = _Derived(key, found, refused=error.place)
        return self._known[key]

    def _mutated(self, mutation: Mutation, form: Form) -> Node:
        if mutation.text:
            block = self._blocks[form]
            for old, new in mutation.text:
                if block.count(old) != 1:
                    raise LookupError(f"{mutation.id}: {old!r} stands {block.count(old)} times in the block, not once")
                block = block.replace(old, new)
            return self._read(block)
        if mutation.page:
            return self._document(self._page(mutation.page).document)
        given = _patched(self._documents[form], mutation.given)
        if mutation.rewrite:
            return self._read(REWRITES[mutation.rewrite](given))
        return self._document(_patched(given, mutation.patch))

    def _page(self, name: str) -> text.Published:
        return text.read((self._pages / name).read_bytes(), name)

    def _read(self, block: str) -> Node:
        return self._document(yaml.load(block, name="mutated"))

    def _document(self, document: object) -> Node:
        return selected([("mutated", document)], self._wanted).document


def _patched(document: Node, patch: list[Node]) -> Node:
    """Return a document with a patch applied that is written for the one layout, whichever layout it has itself."""
    result: Node = copy.deepcopy(document)
    pointers = [[entry[key] for key in ("from", "path") if key in entry] for entry in patch]
    # All of them first, because an entry may take away what a later one's place refers to.
    for pointer in chain(*pointers):
        _write_out(result, pointer)
    if any("security" in steps(pointer) for pointer in chain(*pointers)):
        for _method, _path, operation, _at in operations_of(result):
            operation.setdefault("security", copy.deepcopy(result.get("security", [])))
    for entry, places in zip(copy.deepcopy(patch), pointers, strict=True):
        # And each again, because an entry may bring to its place what a later one goes through.
        for pointer in places:
            _write_out(result, pointer)
        jsonpatch.apply_patch(result, [entry], in_place=True)
    return result


def _write_out(document: Node, pointer: str) -> None:
    """Let what is referred to along a pointer stand where the pointer goes, as far as there is anything."""
    value: Any = document
    for step in steps(pointer):
        key: Any = int(step) if isinstance(value, list) and step.isdigit() else step
        try:
            held = value[key]
        except (LookupError, TypeError):
            return
        if isinstance(held, dict) and not str(held.get("$ref", _SCHEMAS)).startswith(_SCHEMAS):
            value[key] = copy.deepcopy(followed(document, held, pointer)[0])
        value = value[key]


def problems(mutation: Mutation, notices: Collection[Notice]) -> Iterator[str]:
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
