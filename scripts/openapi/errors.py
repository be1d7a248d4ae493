"""The one error of the spec pipeline."""

from __future__ import annotations

__all__ = ["SpecError"]


class SpecError(ValueError):
    """A document that cannot be read, or not read in one way only.

    `place` says where: a JSON pointer into the document (`""` is the document itself), or the
    name of a text and a line in it.
    """

    def __init__(self, message: str, place: str) -> None:
        message, place = _shortened(message), _shortened(place)
        # Both go to `args` so that the error survives pickling, which test runners do to it.
        super().__init__(message, place)
        self.message = message
        self.place = place

    def __str__(self) -> str:
        return f"{self.place or 'the whole document'}: {self.message}"


def _shortened(text: str) -> str:
    """Return `text` with at most its first 700 and last 300 characters: it may quote a whole document."""
    return text if len(text) <= 1000 else f"{text[:700]} … {text[-300:]}"
