"""Media types: the one that goes with a name, on every machine the same for what people put into web forms."""

from __future__ import annotations

import mimetypes
import os

from anchor_uploads.errors import SourceError

DEFAULT_CONTENT_TYPE = "application/octet-stream"
_TOKEN = frozenset("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
"""RFC 9110 §5.6.2."""

# What the system says differs: slim images know little, and Windows tells what its programs have registered.
# https://www.iana.org/assignments/media-types/
_OOXML = "application/vnd.openxmlformats-officedocument."
_ODF = "application/vnd.oasis.opendocument."
_TYPES = {
    ending: media_type
    for media_type, endings in {
        # documents
        "application/pdf": "pdf",
        "application/rtf": "rtf",
        "application/msword": "doc dot",
        "application/vnd.ms-excel": "xls",
        "application/vnd.ms-powerpoint": "ppt",
        "application/vnd.ms-outlook": "msg",
        _OOXML + "wordprocessingml.document": "docx",
        _OOXML + "spreadsheetml.sheet": "xlsx",
        _OOXML + "presentationml.presentation": "pptx",
        _ODF + "text": "odt",
        _ODF + "spreadsheet": "ods",
        _ODF + "presentation": "odp",
        "application/epub+zip": "epub",
        "message/rfc822": "eml",
        # text and data
        "text/plain": "txt log",
        "text/markdown": "md markdown",
        "text/csv": "csv",
        "text/tab-separated-values": "tsv",
        "text/html": "html htm",
        "text/css": "css",
        "text/javascript": "js mjs",
        "text/calendar": "ics",
        "text/vcard": "vcf",
        "text/vtt": "vtt",
        "application/json": "json",
        "application/xml": "xml",
        "application/yaml": "yaml yml",
        "application/sql": "sql",
        "application/vnd.apache.parquet": "parquet",
        # images
        "image/png": "png",
        "image/jpeg": "jpg jpeg",
        "image/gif": "gif",
        "image/webp": "webp",
        "image/avif": "avif",
        "image/svg+xml": "svg",
        "image/bmp": "bmp",
        "image/tiff": "tif tiff",
        "image/heic": "heic",
        "image/heif": "heif",
        "image/vnd.microsoft.icon": "ico",
        "image/vnd.adobe.photoshop": "psd",
        # sound and film
        "audio/mpeg": "mp3",
        "audio/mp4": "m4a",
        "audio/aac": "aac",
        "audio/flac": "flac",
        "audio/ogg": "ogg oga opus",
        "audio/wav": "wav",
        "audio/midi": "mid midi",
        "video/mp4": "mp4 m4v",
        "video/webm": "webm",
        "video/quicktime": "mov",
        "video/ogg": "ogv",
        "video/mpeg": "mpeg mpg",
        "video/matroska": "mkv",
        "video/x-msvideo": "avi",
        # archives and compressed files
        "application/zip": "zip",
        "application/gzip": "gz tgz svgz",
        "application/zstd": "zst",
        "application/x-tar": "tar",
        "application/x-bzip2": "bz2 tbz2",
        "application/x-xz": "xz txz",
        "application/x-7z-compressed": "7z",
        "application/vnd.rar": "rar",
        "application/x-compress": "z",
        "application/java-archive": "jar",
        # fonts
        "font/woff": "woff",
        "font/woff2": "woff2",
        "font/ttf": "ttf",
        "font/otf": "otf",
        "application/wasm": "wasm",
    }.items()
    for ending in endings.split()
}


def media_type_of(name: str) -> str:
    """Return the media type that goes with the ending of `name`: by the table above, else by the system's."""
    ending = os.path.splitext(name)[1].lower()
    if own := _TYPES.get(ending[1:]):
        return own
    media_type, encoding = mimetypes.guess_type("file" + ending)
    # The type of what is in a compressed file is not the file's.
    return media_type if media_type and not encoding else DEFAULT_CONTENT_TYPE


def is_media_type(text: object) -> bool:
    """Tell whether `text` is `type/subtype` and perhaps parameters (RFC 9110 §8.3.1), in one line."""
    if not isinstance(text, str) or not text.isascii() or not text.isprintable():
        return False
    main, _, rest = text.partition("/")
    subtype = rest.partition(";")[0].strip()
    return bool(main and subtype) and _TOKEN.issuperset(main) and _TOKEN.issuperset(subtype)


def check_media_type(text: str, *, label: str) -> str:
    """Return `text`. Raises `SourceError` unless it is a media type."""
    if not is_media_type(text):
        raise SourceError(f"{label}: {text!r} is not a media type; content_type= must look like 'text/plain'")
    return text
