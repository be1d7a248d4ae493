"""`spec/SOURCE.toml`: where the vendored spec comes from, and the hash that tells whether it still is what came."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from spec_pipeline import toml
from spec_pipeline.errors import SpecError


@dataclass(frozen=True)
class Source:
    """The record of what was vendored: the page's address, the day, the form (A, B or C), the file and its SHA-256."""

    page: str
    retrieved: date
    form: str
    file: str
    sha256: str

    @classmethod
    def read(cls, spec: Path) -> Source:
        """Read `SOURCE.toml` in the directory `spec`. Raises `SpecError` if a key is missing or unknown."""
        place = "spec/SOURCE.toml"
        try:
            return cls(**toml.loads((spec / "SOURCE.toml").read_text("utf-8")))
        except (toml.TOMLDecodeError, TypeError) as error:
            raise SpecError(f"cannot be read: {error}", place=place) from error

    def differs_from(self, spec: Path) -> bool:
        """Tell whether the vendored file in the directory `spec` has other bytes than those that were vendored."""
        return hashlib.sha256((spec / self.file).read_bytes()).hexdigest() != self.sha256
