"""The public modules as pdoc sees them, each name in one place, and links to that place from everywhere."""

from __future__ import annotations

import posixpath
import re
from importlib import import_module
from inspect import isclass
from typing import Any

import attrs
from pdoc import doc

from anchor_uploads import UploadedFile

MODULES = (
    "anchor_uploads",
    "anchor_uploads.playwright",
    "anchor_uploads.cdp",
    "anchor_uploads.progress",
    "anchor_uploads.local",
    "anchor_uploads.local.faults",
    "anchor_uploads.pytest_plugin",
    "anchor_uploads.errors",
)
# Where a name is found in several modules, the first of these is its place.
_PLACES = ("anchor_uploads.errors", "anchor_uploads", "anchor_uploads.local.faults", "anchor_uploads.cdp", *MODULES)

_CODE = re.compile(r"<code>([\w.]+)</code>(?!</a>)")
_TAG = r"(?:</?span[^>]*>)*"
_PATH = re.compile(
    rf'(<span class=\\?"n\\?">)?\banchor_uploads(?:{_TAG}\.{_TAG}\w+)*{_TAG}\.{_TAG}([A-Z]\w+)(?(1)</span>)'
)
# As Python shows a type variable that may be None.
_MAYBE = re.compile(rf"Optional{_TAG}\[{_TAG}~{_TAG}(\w+){_TAG}\]")


class Reference:
    """The public modules."""

    def __init__(self) -> None:
        for name in MODULES:
            module = import_module(name)
            # pdoc does not find what is imported lazily, nor what a type of another module names.
            names = getattr(module, "__all__", ())
            vars(module).update({each: getattr(module, each) for each in names}, UploadedFile=UploadedFile)
            for kind in filter(attrs.has, filter(isclass, vars(module).values())):
                kind.__init__.__doc__ = None  # it says only that attrs has made it
        self.modules = {name: doc.Module.from_name(name) for name in MODULES}
        self._places: dict[int, str] = {}
        self._targets = {name: f"{name.replace('.', '/')}.html" for name in MODULES}
        for name in _PLACES:
            for member in self.modules[name].members.values():
                self._note(name, member)

    def _note(self, module: str, member: doc.Doc[Any]) -> None:
        if (
            not isinstance(member, (doc.Class, doc.Function))
            or self._places.setdefault(id(member.obj), module) != module
        ):
            return
        target = f"{module.replace('.', '/')}.html#{member.qualname}"
        if self.shown(member):
            self._targets.setdefault(member.qualname, target)
            self._targets.setdefault(member.fullname, target)
        for each in self.methods(member):
            self._targets.setdefault(each.qualname, f"{module.replace('.', '/')}.html#{each.qualname}")

    def shown(self, member: doc.Doc[Any]) -> str:
        """Return some text if a member has a place on the page of its module: what pdoc takes for true."""
        if isinstance(member, doc.Module):
            return "yes" if member.fullname in MODULES else ""
        if member.name == "__init__":
            kind = getattr(import_module(member.modulename), member.qualname.partition(".")[0])
            return "" if issubclass(kind, BaseException) else "yes"
        # Values may be one, and are told where they are.
        known = isinstance(member, (doc.Class, doc.Function))
        is_elsewhere = known and self._places.get(id(member.obj), member.modulename) != member.modulename
        return "" if member.name.startswith("_") or not member.docstring or is_elsewhere else "yes"

    def methods(self, member: doc.Doc[Any]) -> list[doc.Doc[Any]]:
        """Return the members of a class that are shown with it: its own, and those of private classes of ours."""
        if not isinstance(member, doc.Class):
            return []
        ours = [each for each in member.members.values() if each.taken_from[0].startswith("anchor_uploads.")]
        return [each for each in ours if self.shown(each)]

    @staticmethod
    def searchable(index: str) -> str:
        """Return an index for the search whose signatures have no names of private places."""
        return _PATH.sub(lambda match: match[2] if match[1] else match[0], _MAYBE.sub(r"\1 | None", index))

    def linked(self, html: str, page: str) -> str:
        """Return a page whose names of public things are links, also where it has those of private places."""

        def link(name: str, text: str, otherwise: str) -> str:
            target = self._targets.get(name)
            if target is None:
                return otherwise
            path, hash_, anchor = target.partition("#")
            # A link to the page itself keeps its place in the history short.
            relative = "" if path == page and hash_ else posixpath.relpath(path, posixpath.dirname(page) or ".")
            return f'<a href="{relative}{hash_}{anchor}">{text}</a>'

        html = _MAYBE.sub(r"\1 | None", html)
        html = _PATH.sub(lambda match: link(match[2], match[2], match[2]), html)
        return _CODE.sub(lambda match: link(match[1], match[0], match[0]), html)
