"""Multipart parsers that we did not write: what a server would make of a body."""

from __future__ import annotations

import hashlib
import json
import tempfile
from email.message import Message
from pathlib import Path
from typing import Any

import attrs
from python_multipart.multipart import FormParser

from support import node


@attrs.frozen
class Part:
    """One part with a file name, as a parser read it."""

    field: str
    filename: str
    size: int
    sha256: str


def python_multipart(content_type: str, body: bytes) -> list[Part]:
    """Parse with python-multipart, which Starlette and FastAPI use."""
    message = Message()
    message["content-type"] = content_type
    boundary = message.get_boundary()
    assert boundary
    files: list[Any] = []
    parser = FormParser("multipart/form-data", lambda _field: None, files.append, boundary=boundary)
    parser.write(body)
    parser.finalize()
    return [_part(file) for file in files]


def _part(file: Any) -> Part:
    file.file_object.seek(0)
    content = file.file_object.read()
    file.close()
    return Part(file.field_name.decode(), file.file_name.decode(), len(content), hashlib.sha256(content).hexdigest())


_BUSBOY = """
const busboy = require('busboy'), fs = require('fs'), crypto = require('crypto');
const [contentType, path] = process.argv.slice(1);
const parts = [];
const parser = busboy({ headers: { 'content-type': contentType }, defParamCharset: 'utf8' });
parser.on('file', (field, stream, information) => {
  const hash = crypto.createHash('sha256');
  let size = 0;
  stream.on('data', (data) => { size += data.length; hash.update(data); });
  stream.on('close', () => parts.push({ field, filename: information.filename, size, sha256: hash.digest('hex') }));
});
parser.on('field', (name) => parts.push({ field: name }));
parser.on('close', () => console.log(JSON.stringify(parts)));
fs.createReadStream(path).pipe(parser);
"""


def busboy(content_type: str, body: bytes) -> list[Part]:
    """Parse with busboy, which most Node servers use. Raises `node.NodeMissing`."""
    directory = node.install("busboy", "1.6.0")
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch, "body")
        path.write_bytes(body)
        return [Part(**part) for part in json.loads(node.run(directory, _BUSBOY, content_type, str(path)))]
