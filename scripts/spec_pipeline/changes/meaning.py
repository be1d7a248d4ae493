"""Whether two schemas, and what holds schemas, mean the same, however they are worded, named and ordered."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from openapi.spelling import LIST, MAP, ONE, member
from spec_pipeline.changes.keywords import (
    COMBINERS,
    DEFAULTS,
    Keywords,
    Located,
    Reader,
    children,
    equal,
    items,
    means_nothing,
)

__all__ = ["Meaning", "is_word", "without_words"]

_WORDING = frozenset({"description", "summary", "externalDocs", "tags", "operationId", "links", "bearerFormat"})


def is_word(key: str) -> bool:
    """Tell whether this is a keyword, outside of schemas, of what is only said."""
    return key in _WORDING or key.startswith("x-")


def without_words(value: Any) -> Any:
    if isinstance(value, dict):
        # The names of scopes count, and what is said about them does not.
        return {
            key: sorted(item) if key == "scopes" and isinstance(item, dict) else without_words(item)
            for key, item in value.items()
            if not _is_only_said(key)
        }
    return list(map(without_words, value)) if isinstance(value, list) else value


def _is_only_said(key: str) -> bool:
    return is_word(key) or key.startswith("example")


@dataclass
class Meaning:
    """Compares schemas of two documents. Each pair is compared once, so that no document takes unreasonably long.

    A pair that is met again while it is compared is the same unless something else differs, as recursion has it. What
    was found the same on that ground is forgotten as soon as the ground turns out to be wrong.

    words: whether what is only said counts, too.
    """

    old: Reader
    new: Reader
    words: bool = False
    _known: dict[tuple[object, object], bool] = field(default_factory=dict)
    _trail: list[tuple[object, object]] = field(default_factory=list)

    def same(self, old: Located, new: Located) -> bool:
        pair = (old.identity, new.identity)
        if pair not in self._known:
            before = len(self._trail)
            self._known[pair] = True
            self._trail.append(pair)
            if not self._alike(self._meant(self.old.keywords(old)), self._meant(self.new.keywords(new))):
                for assumed in self._trail[before:]:
                    del self._known[assumed]
                del self._trail[before:]
                self._known[pair] = False
        return self._known[pair]

    def alike(self, role: str, key: str, old: Located, new: Located) -> bool:
        """Compare the members called `key` of what OpenAPI has in `role`, as `openapi.spelling` has the roles."""
        shape, held = member(role, key)
        if shape == ONE:
            return self._alike_part(held, old, new)
        if shape == MAP and isinstance(old.value, dict) and isinstance(new.value, dict):
            before, after = children(old), children(new)
            return before.keys() == after.keys() and all(self._alike_part(held, before[k], after[k]) for k in before)
        if key in COMBINERS:
            return self._matched(items(old), items(new))
        if shape == LIST and isinstance(old.value, list) and isinstance(new.value, list):
            parts = map(partial(self._alike_part, held), items(old), items(new))
            return len(old.value) == len(new.value) and all(parts)
        if role == "schema" or self.words:
            return equal(old.value, new.value)
        return equal(without_words(old.value), without_words(new.value))

    def _alike_part(self, role: str, old: Located, new: Located) -> bool:
        if role == "schema":
            return self.same(old, new)
        if not (isinstance(old.value, dict) and isinstance(new.value, dict)):
            return equal(old.value, new.value)
        before, after = self._counting(children(old)), self._counting(children(new))
        return before.keys() == after.keys() and all(self.alike(role, key, before[key], after[key]) for key in before)

    def _alike(self, old: Keywords, new: Keywords) -> bool:
        return old.keys() == new.keys() and all(self._alike_in(key, old[key], new[key]) for key in old)

    def _alike_in(self, key: str, old: Located, new: Located) -> bool:
        if key == "discriminator":
            return self._told_apart_alike(old.value, new.value)
        if key in ("type", "enum", "required"):
            return sorted(map(_text, _listed(old.value))) == sorted(map(_text, _listed(new.value)))
        return self.alike("schema", key, old, new)

    def _matched(self, old: list[Located], new: list[Located]) -> bool:
        left = list(new)
        for one in old:
            match = next((other for other in left if self.same(one, other)), None)
            if match is None:
                return False
            left.remove(match)
        return not left

    def _told_apart_alike(self, old: dict[str, Any], new: dict[str, Any]) -> bool:
        before, after = old.get("mapping", {}), new.get("mapping", {})
        if old.get("propertyName") != new.get("propertyName") or before.keys() != after.keys():
            return False
        return all(self.same(self.old.mapped(before[name]), self.new.mapped(after[name])) for name in before)

    def _meant(self, keywords: Keywords) -> Keywords:
        return {
            key: item
            for key, item in keywords.items()
            if (self.words or not means_nothing(key)) and not (key in DEFAULTS and equal(item.value, DEFAULTS[key]))
        }

    def _counting(self, holder: dict[str, Located]) -> dict[str, Located]:
        return {key: item for key, item in holder.items() if self.words or not _is_only_said(key)}


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True)
