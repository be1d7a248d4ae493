"""What the wrapper knows about the API is what the contract says, and where it is not, the message says what to do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from openapi import yaml
from spec_pipeline.proof.facts import UNDOCUMENTED, WrapperFacts, findings
from spec_pipeline.proof.wrapper import Misfit, observed


@pytest.fixture(scope="module")
def wrapper() -> WrapperFacts:
    try:
        return observed()
    except Misfit as misfit:
        pytest.fail(str(misfit), pytrace=False)


@pytest.fixture
def contract(root: Path) -> Any:
    # Raw: not through a generator, which may misread it.
    return yaml.load((root / "spec" / "openapi.yaml").read_text("utf-8"), name="spec/openapi.yaml")


def test_the_wrapper_knows_what_the_contract_says(contract: Any, wrapper: WrapperFacts) -> None:
    found = findings(contract, wrapper)
    assert not found, "\n\n" + "\n\n".join(map(str, found))


def test_what_the_wrapper_knows_without_the_contract_has_its_reasons(contract: Any, wrapper: WrapperFacts) -> None:
    responses = contract["paths"]["/v1/sessions/{sessionId}/uploads"]["post"]["responses"]
    by_hand = {status for status, name in wrapper.errors.items() if name not in ("StatusError", "ServerError")}
    assert set(UNDOCUMENTED) == by_hand - {int(status) for status in responses}
