"""The command behind `scripts/vendor`: what has changed in the published spec, and how bad it is.

Exit status: 0 nothing has changed, or only words; 1 compatible changes; 2 breaking ones; 3 no verdict.
"""

from __future__ import annotations

import hashlib
from argparse import Namespace
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

from openapi import yaml
from openapi.document import Operation, listed, route, shown
from openapi.errors import SpecError
from openapi.values import same
from spec_pipeline import command, files
from spec_pipeline.bounds import bounded
from spec_pipeline.changes.change import Change, Impact, worst
from spec_pipeline.changes.documents import diff
from spec_pipeline.derive import operations
from spec_pipeline.derive.build import client_openapi
from spec_pipeline.derive.selection import Selection, openapi, selected, vendored
from spec_pipeline.form_a.losses import without_what_form_a_loses
from spec_pipeline.published import fetch, text
from spec_pipeline.published.page import Form
from spec_pipeline.published.source import Source
from spec_pipeline.published.text import Published

_SEVERAL = "openapi-published.yaml"
_OF_ONE_PAGE = "openapi-mintlify.yaml"


def main(arguments: list[str] | None = None) -> int:
    options = command.vendor().parse_args(arguments)
    return command.run("vendor", lambda: _run(options), (SpecError,))


def _run(options: Namespace) -> Impact:
    spec = options.root.resolve() / "spec"
    source = Source.read(spec)
    wanted = operations.generated(spec)
    names = options.pages or source.pages
    texts = [fetch.read(name) for name in names]
    with bounded("vendor"):
        parts = [text.read(data, name) for data, name in zip(texts, names, strict=True)]
        old = vendored(source, spec, wanted)
        new = selected([(part.name, part.document) for part in parts], wanted)
        changes = diff(old.document, new.document)
        follow = list(_what_must_follow(new, spec))
    verdict = _verdict(changes)
    print(verdict)
    _show_parts(parts, new, wanted, every=options.verbose)
    _show_changes(changes)
    joined = text.joined(parts).encode()
    same_bytes = (spec / source.file).read_bytes() == joined
    if not changes and not same_bytes:
        print("The published text differs, in what carries no meaning.")
    print(*follow, sep="\n", end="\n" if follow else "")
    if options.accept:
        operations.refuse_missing(new.document, wanted, ", ".join(part.name for part in parts))
        _write(_with_addresses(parts, options.address), joined, source, spec)
    elif not same_bytes:
        print("Nothing was written: --accept does that.")
    print(verdict)
    return worst(changes)


def _verdict(changes: list[Change]) -> str:
    if not changes:
        return "no change"
    counts = [
        f"{sum(change.impact is impact for change in changes)} {impact.name.lower()}"
        for impact in sorted(Impact, reverse=True)
    ]
    return f"{worst(changes).name.lower()}: {', '.join(counts)}"


def _show_parts(parts: list[Published], new: Selection, wanted: list[Operation], *, every: bool) -> None:
    for part in parts:
        there = listed(openapi(part.document))
        what = shown(there[0]) if len(there) == 1 else _operations(len(there))
        print(f"{part.name}: form {part.form.value}, {what}")
    if new.left:
        hint = "" if every else "; --verbose lists them"
        print(f"Left out, because spec/{operations.FILE} does not name them: {_operations(len(new.left))}{hint}")
    for operation in new.left if every else ():
        print(f"  {shown(operation)}")
    there_are = {route(*operation) for operation in listed(new.document)}
    for operation in wanted:
        if route(*operation) not in there_are:
            print(f"Not published here, though spec/{operations.FILE} names it: {shown(operation)}")


def _operations(count: int) -> str:
    return f"{count} operation{'' if count == 1 else 's'}"


def _show_changes(changes: list[Change]) -> None:
    for impact in sorted(Impact, reverse=True):
        found = [change for change in changes if change.impact is impact]
        if found:
            print(f"\n{impact.name.lower()} ({len(found)})")
        for change in found:
            print(*(f"  {line}" for line in str(change).splitlines()), sep="\n")
    if changes:
        print()


def _what_must_follow(new: Selection, spec: Path) -> Iterator[str]:
    """Yield now what `regenerate` would say later about the overlay."""
    names = yaml.load((spec / "overlay.yaml").read_bytes(), name="spec/overlay.yaml")
    ours = [shown(item) for item in operations.added_by(names) if item in new.left]
    if ours:
        yield f"Published, too, but the overlay's version stands: {', '.join(ours)}"
    if not new.document["paths"]:
        return
    try:
        client_openapi(without_what_form_a_loses(new.document), names)
    except SpecError as error:
        yield f"The overlay has to follow, before code can be generated: {error}"


def _with_addresses(parts: list[Published], addresses: list[str]) -> list[Published]:
    """Return them with an address each, which the weekly look at what is published needs."""
    nowhere = [part for part in parts if not fetch.is_address(part.page)]
    if len(nowhere) != len(addresses) or not all(map(fetch.is_address, addresses)):
        names = ", ".join(part.name for part in nowhere) or "none"
        raise SpecError(
            f"say with --address where each file that does not tell itself was published ({names}); spec/SOURCE.toml "
            "keeps it, for the weekly look at what is published",
            "--accept",
        )
    given = iter(addresses)
    return [part if fetch.is_address(part.page) else replace(part, page=next(given)) for part in parts]


def _write(parts: list[Published], joined: bytes, source: Source, spec: Path) -> None:
    pages, forms = [part.page for part in parts], [part.form for part in parts]
    single = len(parts) == 1
    _refuse_if_read_otherwise(parts, joined)
    # The fence of forms A and B calls it so.
    file = _OF_ONE_PAGE if single and forms[0] is not Form.C and _is_one_operation(parts[0]) else _SEVERAL
    record = Source(
        page=pages[0] if single else pages,
        retrieved=datetime.now(timezone.utc).date(),
        form=forms[0].value if single else [form.value for form in forms],
        file=file,
        sha256=hashlib.sha256(joined).hexdigest(),
    )
    files.replace(spec / file, joined)
    files.replace(spec / "SOURCE.toml", record.text().encode())
    if source.file != file:
        (spec / source.file).unlink()
    print(f"Written: spec/{file} and spec/SOURCE.toml. Now run scripts/regenerate, and the tests.")


def _refuse_if_read_otherwise(parts: list[Published], joined: bytes) -> None:
    """Raise `SpecError` unless what is to be written reads as the parts that were accepted."""
    names = ", ".join(part.name for part in parts)
    try:
        found = yaml.load_all(joined, name=names)
    except SpecError as error:
        raise SpecError(f"cannot be read as one file: {error}", names) from error
    if not same(found, [part.document for part in parts]):
        raise SpecError("would say something else in one file: end each with a line break", names)


def _is_one_operation(part: Published) -> bool:
    return len(listed(openapi(part.document))) == 1
