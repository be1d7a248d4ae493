"""`spec/SOURCE.toml`: where the vendored spec comes from, and the hash that tells whether it still is what came."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from openapi.errors import SpecError
from spec_pipeline import toml


@dataclass(frozen=True)
class Source:
    """The record of what was vendored: the page's address, the day, the form (A, B or C), the file and its SHA-256.

    Of several pages `page` and `form` are lists, in the order in which their blocks stand in the file.
    """

    page: str | list[str]
    retrieved: date
    form: str | list[str]
    file: str
    sha256: str

    @classmethod
    def read(cls, spec: Path) -> Source:
        """Read `SOURCE.toml` in the directory `spec`. Raises `SpecError` if a key is missing or unknown."""
        place = "spec/SOURCE.toml"
        try:
            return cls(**toml.load((spec / "SOURCE.toml").read_bytes(), name=place))
        except TypeError as error:
            raise SpecError(f"cannot be read: {error}", place=place) from error

    @property
    def pages(self) -> list[str]:
        return [self.page] if isinstance(self.page, str) else self.page

    def differs_from(self, spec: Path) -> bool:
        """Tell whether the vendored file in the directory `spec` has other bytes than those that were vendored."""
        return hashlib.sha256((spec / self.file).read_bytes()).hexdigest() != self.sha256

    def text(self) -> str:
        """Return what to write into `SOURCE.toml`."""
        # A string of JSON is one of TOML, too.
        page, form, file = (json.dumps(value, ensure_ascii=False) for value in (self.page, self.form, self.file))
        return (
            f"# Where spec/{self.file} comes from. The file is kept byte for byte as published.\n"
            f'page = {page}\nretrieved = {self.retrieved}\nform = {form}\nfile = {file}\nsha256 = "{self.sha256}"\n'
        )
