"""Multipart parsers that we did not write: what a server would make of a body."""

from __future__ import annotations

import hashlib
import io
import json
import tempfile
from collections.abc import Sequence
from email.message import Message
from pathlib import Path
from typing import Any

import attrs
from python_multipart.multipart import FormParser
from werkzeug.formparser import parse_form_data

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
const parsed = ([contentType, path]) => new Promise((resolve, reject) => {
  const parts = [];
  const parser = busboy({ headers: { 'content-type': contentType }, defParamCharset: 'utf8' });
  parser.on('file', (field, stream, information) => {
    const hash = crypto.createHash('sha256');
    let size = 0;
    stream.on('data', (data) => { size += data.length; hash.update(data); });
    stream.on('close', () => parts.push({ field, filename: information.filename, size, sha256: hash.digest('hex') }));
  });
  parser.on('field', (name) => parts.push({ field: name }));
  parser.on('close', () => resolve(parts));
  parser.on('error', reject);
  fs.createReadStream(path).pipe(parser);
});
const bodies = JSON.parse(fs.readFileSync(process.argv[1], 'utf8'));
Promise.all(bodies.map(parsed)).then((all) => console.log(JSON.stringify(all)));
"""


def busboy(content_type: str, body: bytes) -> list[Part]:
    """Parse with busboy, which most Node servers use. Raises `node.NodeMissing`."""
    return busboy_each([(content_type, body)])[0]


def busboy_each(bodies: Sequence[tuple[str, bytes]]) -> list[list[Part]]:
    """Parse many bodies in one process of Node."""
    directory = node.install("busboy", "1.6.0")
    with tempfile.TemporaryDirectory() as scratch:
        listed = []
        for number, (content_type, body) in enumerate(bodies):
            path = Path(scratch, str(number))
            path.write_bytes(body)
            listed.append((content_type, str(path)))
        names = Path(scratch, "bodies.json")
        names.write_text(json.dumps(listed), "utf-8")
        return [[Part(**part) for part in parts] for parts in json.loads(node.run(directory, _BUSBOY, str(names)))]


def werkzeug(content_type: str, body: bytes) -> list[Part]:
    """Parse with werkzeug, which Flask uses; unlike the others it takes the escapes back."""
    environment = {"CONTENT_TYPE": content_type, "CONTENT_LENGTH": str(len(body)), "wsgi.input": io.BytesIO(body)}
    _stream, _form, files = parse_form_data({**environment, "REQUEST_METHOD": "POST"})
    parts = []
    for field, file in files.items(multi=True):
        with file.stream:
            content = file.read()
        parts.append(Part(field, file.filename or "", len(content), hashlib.sha256(content).hexdigest()))
    return parts
