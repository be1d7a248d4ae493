"""Whether two schemas mean the same, however they are worded, named and ordered."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

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

__all__ = ["Meaning"]


@dataclass
class Meaning:
    """Compares schemas of two documents. Each pair is compared once, so that no document takes unreasonably long.

    A pair that is met again while it is compared is the same unless something else differs, as recursion has it. What
    was found the same on that ground is forgotten as soon as the ground turns out to be wrong.
    """

    old: Reader
    new: Reader
    _known: dict[tuple[object, object], bool] = field(default_factory=dict)
    _trail: list[tuple[object, object]] = field(default_factory=list)

    def same(self, old: Located, new: Located) -> bool:
        pair = (old.identity, new.identity)
        if pair not in self._known:
            before = len(self._trail)
            self._known[pair] = True
            self._trail.append(pair)
            if not self._alike(_meant(self.old.keywords(old)), _meant(self.new.keywords(new))):
                for assumed in self._trail[before:]:
                    del self._known[assumed]
                del self._trail[before:]
                self._known[pair] = False
        return self._known[pair]

    def _alike(self, old: Keywords, new: Keywords) -> bool:
        return old.keys() == new.keys() and all(self._alike_in(key, old[key], new[key]) for key in old)

    def _alike_in(self, key: str, old: Located, new: Located) -> bool:
        if key == "properties":
            before, after = children(old), children(new)
            return before.keys() == after.keys() and all(self.same(before[name], after[name]) for name in before)
        if key in COMBINERS:
            return self._matched(items(old), items(new))
        if key in ("items", "not") or (key == "additionalProperties" and isinstance(old.value, dict)):
            return self.same(old, new)
        if key == "discriminator":
            return self._told_apart_alike(old.value, new.value)
        if key in ("type", "enum", "required"):
            return sorted(map(_text, _listed(old.value))) == sorted(map(_text, _listed(new.value)))
        return equal(old.value, new.value)

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


def _meant(keywords: Keywords) -> Keywords:
    return {
        key: item
        for key, item in keywords.items()
        if not means_nothing(key) and not (key in DEFAULTS and equal(item.value, DEFAULTS[key]))
    }


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True)
