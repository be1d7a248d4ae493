"""The command behind `scripts/vendor`: what has changed in the published spec, and how bad it is.

Exit status: 0 nothing has changed, or only words; 1 compatible changes; 2 breaking ones; 3 something cannot be read.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import sys
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from spec_pipeline import fetch, operations, published, yaml_documents
from spec_pipeline.build import client_openapi
from spec_pipeline.change import Change, Impact, worst
from spec_pipeline.contract import Contract, read_contract, vendored
from spec_pipeline.diff import diff
from spec_pipeline.errors import SpecError
from spec_pipeline.page import Form
from spec_pipeline.plain import without_what_form_a_loses
from spec_pipeline.published import Published
from spec_pipeline.source import Source
from spec_pipeline.validation import validate

ROOT = Path(__file__).resolve().parents[2]
CANNOT_READ = 3
_SEVERAL = "openapi-published.yaml"
_OF_ONE_PAGE = "openapi-mintlify.yaml"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="vendor",
        description="Show what the published spec has changed since it was vendored, and vendor it.",
        epilog="Exit status: 0 no change, or in words only; 1 compatible; 2 breaking; 3 cannot be read.",
    )
    parser.add_argument(
        "pages",
        nargs="*",
        metavar="PAGE_OR_SPEC",
        help="a file or URL: a page of the reference, or an OpenAPI document (default: what was vendored last)",
    )
    parser.add_argument("--accept", action="store_true", help="write it into spec/; without this nothing is written")
    parser.add_argument("--root", type=Path, default=ROOT, help="the repository to work on (default: this one)")
    options = parser.parse_args(arguments)
    for stream in (sys.stdout, sys.stderr):
        # What is published holds characters that a console's own encoding may lack.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        return int(_run(options.pages, options.root.resolve() / "spec", accept=options.accept))
    except (SpecError, OSError) as error:
        print(f"vendor: {error}", file=sys.stderr)
        return CANNOT_READ


def _run(names: list[str], spec: Path, *, accept: bool) -> Impact:
    source = Source.read(spec)
    wanted = operations.generated(spec)
    old = vendored(source, spec, wanted)
    parts = [published.read(fetch.read(name), name) for name in names or source.pages]
    new = _contract(parts, wanted)
    changes = diff(old.document, new.document)
    _show(changes, new, wanted)
    text = published.joined(parts).encode()
    same_bytes = (spec / source.file).read_bytes() == text
    if not changes and not same_bytes:
        print("The published text differs, in what carries no meaning.")
    _say_what_must_follow(new, spec)
    if accept:
        operations.refuse_missing(new.document, wanted, ", ".join(part.name for part in parts))
        _write(parts, text, source, spec)
    elif not same_bytes:
        print("Nothing was written: --accept does that.")
    return worst(changes)


def _contract(parts: list[Published], wanted: list[operations.Operation]) -> Contract:
    documents: list[tuple[str, object]] = []
    for part in parts:
        document = yaml_documents.load(part.text, name=part.name)
        there = operations.published(published.openapi(document))
        what = operations.shown(there[0]) if len(there) == 1 else f"{len(there)} operations"
        print(f"{part.name}: form {part.form.value}, {what}")
        documents.append((part.name, document))
    contract = read_contract(documents, wanted)
    validate(contract.document, name=", ".join(part.name for part in parts))
    return contract


def _show(changes: list[Change], new: Contract, wanted: list[operations.Operation]) -> None:
    if new.left:
        names = ", ".join(map(operations.shown, new.left))
        print(f"Left out, because spec/{operations.FILE} does not name it: {names}")
    there = {operations.route(*operation) for operation in operations.published(new.document)}
    for operation in wanted:
        if operations.route(*operation) not in there:
            print(f"Not published here, though spec/{operations.FILE} names it: {operations.shown(operation)}")
    if not changes:
        print("no change")
    for impact in sorted(Impact, reverse=True):
        found = [change for change in changes if change.impact is impact]
        if found:
            print(f"\n{impact.name.lower()} ({len(found)})")
        for change in found:
            print(*(f"  {line}" for line in str(change).splitlines()), sep="\n")
    if changes:
        print()


def _say_what_must_follow(new: Contract, spec: Path) -> None:
    """Say now what `regenerate` would say later about the overlay."""
    names: Any = yaml_documents.load((spec / "overlay.yaml").read_text("utf-8"), name="spec/overlay.yaml")
    ours = [operations.shown(item) for item in operations.added_by(names) if item in new.left]
    if ours:
        print(f"Published, too, but the overlay's version stands: {', '.join(ours)}")
    if not new.document["paths"]:
        return
    try:
        client_openapi(without_what_form_a_loses(new.document), names)
    except SpecError as error:
        print(f"The overlay has to follow, before code can be generated: {error}")


def _write(parts: list[Published], text: bytes, source: Source, spec: Path) -> None:
    pages, forms = [part.page for part in parts], [part.form for part in parts]
    single = len(parts) == 1
    # The fence of forms A and B calls it so.
    file = _OF_ONE_PAGE if single and forms[0] is not Form.C and _is_one_operation(parts[0]) else _SEVERAL
    record = Source(
        page=pages[0] if single else pages,
        retrieved=datetime.now(timezone.utc).date(),
        form=forms[0].value if single else [form.value for form in forms],
        file=file,
        sha256=hashlib.sha256(text).hexdigest(),
    )
    _replace(spec / file, text)
    _replace(spec / "SOURCE.toml", record.text().encode())
    if source.file != file:
        (spec / source.file).unlink()
    print(f"Written: spec/{file} and spec/SOURCE.toml. Now run scripts/regenerate, and the tests.")


def _is_one_operation(part: Published) -> bool:
    document = published.openapi(yaml_documents.load(part.text, name=part.name))
    return len(operations.published(document)) == 1


def _replace(path: Path, data: bytes) -> None:
    """Put ``data`` where ``path`` is; until the last step the old file stays whole."""
    aside = path.with_name(f".{path.name}.new")
    aside.write_bytes(data)
    aside.replace(path)


if __name__ == "__main__":
    sys.exit(main())
