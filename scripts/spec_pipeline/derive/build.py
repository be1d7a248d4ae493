"""Everything that is derived from the vendored spec, written into a directory, and where each file comes from."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from openapi import yaml
from openapi.document import listed, shown
from openapi.errors import SpecError
from openapi.validation import validate
from spec_pipeline import files
from spec_pipeline.derive import operations, overlay
from spec_pipeline.derive.generators import CLIENT_PACKAGE, MODELS_PACKAGE, Generators
from spec_pipeline.derive.selection import vendored
from spec_pipeline.form_a.losses import without_what_form_a_loses
from spec_pipeline.published.source import Source

# What is derived (a file or a directory, relative to the repository) and from what, for people to read.
DERIVED = {
    "spec/openapi.yaml": "what spec/SOURCE.toml names, converted to plain OpenAPI 3.1",
    "spec/client.yaml": "spec/openapi.yaml with spec/overlay.yaml applied",
    f"generated/{CLIENT_PACKAGE}": "spec/client.yaml, spec/generator.yml and spec/templates, by openapi-python-client",
    f"generated/{MODELS_PACKAGE}": "spec/client.yaml, by datamodel-code-generator",
}


def build(root: Path, output: Path, generators: Generators, *, report: Callable[[str], None]) -> None:
    """Derive everything from the inputs under `root`/spec and write it below `output`, which must be empty.

    `report` is told about each step. Raises `SpecError` for a spec or an overlay that cannot be used, and
    `GenerationError` if a generator fails or warns.
    """
    spec = root / "spec"
    (output / "spec").mkdir(parents=True)
    (output / "generated").mkdir()

    source = Source.read(spec)
    report(f"spec/{source.file} -> spec/openapi.yaml")
    contract = plain_openapi(source, spec)
    _write(contract, output / "spec" / "openapi.yaml", made_from=f"spec/{source.file}")

    report("spec/openapi.yaml + spec/overlay.yaml -> spec/client.yaml")
    names = yaml.load((spec / "overlay.yaml").read_bytes(), name="spec/overlay.yaml")
    client_document = client_openapi(contract, names)
    _write(client_document, output / "spec" / "client.yaml", made_from="spec/openapi.yaml and spec/overlay.yaml")

    client_file = output / "spec" / "client.yaml"
    report(f"spec/client.yaml -> generated/{CLIENT_PACKAGE}, generated/{MODELS_PACKAGE}")
    with ThreadPoolExecutor() as both:
        models = both.submit(generators.write_models, client_file, output=output / "generated" / MODELS_PACKAGE)
        generators.write_client(
            client_file,
            settings=spec / "generator.yml",
            template_edits=spec / "templates" / "edits.yaml",
            output=output / "generated" / CLIENT_PACKAGE,
        )
        models.result()


def plain_openapi(source: Source, spec: Path) -> dict[str, Any]:
    """Return what `source` publishes of the operations we generate as a valid OpenAPI 3.1 document."""
    wanted = operations.generated(spec)
    contract = vendored(source, spec, wanted).document
    operations.refuse_missing(contract, wanted, f"spec/{source.file}")
    contract = without_what_form_a_loses(contract)
    validate(contract, name="spec/openapi.yaml")
    return contract


def client_openapi(contract: dict[str, Any], names: object) -> dict[str, Any]:
    """Return `contract` with the overlay `names` applied: a valid OpenAPI 3.1 document for the generators."""
    twice = [shown(item) for item in operations.added_by(names) if item in listed(contract)]
    if twice:
        # Merged, they would be neither the published operation nor ours, and hold each parameter twice.
        raise SpecError(
            f"{', '.join(twice)}: the overlay adds what spec/{operations.FILE} takes from the published spec. Remove "
            "it from either: here the overlay's small version, or there the published one",
            place="spec/overlay.yaml",
        )
    document = overlay.apply(contract, names)
    validate(document, name="spec/client.yaml")
    return document


def _write(document: dict[str, Any], path: Path, *, made_from: str) -> None:
    header = f"# Made from {made_from} by scripts/regenerate. Do not edit.\n"
    files.write(path, (header + yaml.dump(document)).encode())
