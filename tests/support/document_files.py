"""Files of every format that is read, and of every kind that is not."""

from __future__ import annotations

import io
import os
import socket
import zipfile
import zlib
from pathlib import Path

__all__ = ["BROKEN", "docx", "make_broken", "pdf"]

_TYPES = (
    '<?xml version="1.0"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
    '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    '<Override PartName="/word/document.xml" '
    'ContentType="application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"/></Types>'
)
_RELATIONS = (
    '<?xml version="1.0"?><Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
    '<Relationship Id="r1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" '
    'Target="word/document.xml"/></Relationships>'
)
_WORD = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'


def pdf(*pages: str, stream: bytes | None = None) -> bytes:
    """Return a PDF with a line of text on each page, or with another content in its last stream."""
    count = len(pages)
    parts = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Count {count} /Kids [{' '.join(f'{4 + 2 * n} 0 R' for n in range(count))}] >>".encode(),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    for n, text in enumerate(pages):
        content = f"BT /F1 12 Tf 72 720 Td ({text}) Tj ET".encode()
        filters = b""
        if stream is not None and n == count - 1:
            content, filters = stream, b"/Filter /FlateDecode "
        parts.append(
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Resources << /Font << /F1 3 0 R >> >> "
            f"/Contents {5 + 2 * n} 0 R >>".encode()
        )
        parts.append(b"<< %s/Length %d >>\nstream\n%s\nendstream" % (filters, len(content), content))
    body, offsets = bytearray(b"%PDF-1.4\n"), []
    for number, part in enumerate(parts, start=1):
        offsets.append(len(body))
        body += b"%d 0 obj\n%s\nendobj\n" % (number, part)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    body += b"xref\n0 %d\n0000000000 65535 f \n%s" % (len(parts) + 1, table) + (
        b"trailer << /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(parts) + 1, body.rindex(b"endobj") + 7)
    )
    return bytes(body)


def docx(*paragraphs: str, head: str = "", extra: dict[str, bytes] | None = None) -> bytes:
    """Return a document of a word processor; a paragraph that begins with ``# `` is a heading."""
    body = "".join(
        f'<w:p><w:pPr><w:pStyle w:val="Heading1"/></w:pPr><w:r><w:t>{text[2:]}</w:t></w:r></w:p>'
        if text.startswith("# ")
        else f"<w:p><w:r><w:t>{text}</w:t></w:r></w:p>"
        for text in paragraphs
    )
    parts = {
        "[Content_Types].xml": _TYPES.encode(),
        "_rels/.rels": _RELATIONS.encode(),
        "word/document.xml": f'<?xml version="1.0"?>{head}<w:document {_WORD}><w:body>{body}</w:body></w:document>'.encode(),
        **(extra or {}),
    }
    return _archive(parts)


def _archive(parts: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in parts.items():
            archive.writestr(name, data)
    return packed.getvalue()


def _encrypted() -> bytes:
    from pypdf import PdfReader, PdfWriter

    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(pdf("secret"))))
    writer.encrypt("password", algorithm="RC4-128")
    packed = io.BytesIO()
    writer.write(packed)
    return packed.getvalue()


# What a reader is given, and a part of the reason that it has to tell.
BROKEN = {
    "cut.pdf": (lambda: pdf("one", "two")[:-200], "cut off"),
    "half.pdf": (lambda: pdf("one")[:300] + b"%%EOF", "malformed"),
    "page.pdf": (lambda: b"<html>no PDF at all</html>", "no PDF"),
    "scan.pdf": (lambda: pdf(""), "holds no text"),
    "bomb.pdf": (lambda: pdf("x", stream=zlib.compress(b" " * 80_000_000, 1)), "beyond all measure"),
    "locked.pdf": (_encrypted, "password"),
    "bomb.docx": (lambda: docx("x", extra={"word/media/a.bin": b"\0" * 30_000_000}), "would grow"),
    "cut.docx": (lambda: docx("x" * 500)[:400], "cut off"),
    "other.docx": (lambda: _archive({"a.txt": b"no document"}), "no DOCX"),
    "text.docx": (lambda: b"no archive", "no DOCX"),
    "entities.docx": (lambda: docx("x", head='<!DOCTYPE x [<!ENTITY a "b">]>'), "document type"),
    "tags.docx": (lambda: docx("<w:unclosed>"), "malformed"),
    "latin.txt": (lambda: "caf\u00e9".encode("latin-1"), "0xE9"),
    "odd.txt": (lambda: b"\xff\xfea", "UTF-16"),
    "binary.md": (lambda: b"\x7fELF\0\0", "NUL"),
    "blank.md": (lambda: b" \n\t\n", "holds no text"),
    "lies.html": (lambda: b'<meta charset="utf-8"><p>caf\xe9', "0xE9"),
    "deep.html": (lambda: b"<div>" * 20_000 + b"deep", "nested too deeply"),
    "ragged.csv": (lambda: b"a,b\n1,2\n1,2,3\n", "row 3 has 3 fields"),
    "quote.csv": (lambda: b'a,b\n1,"2\n', "malformed"),
    "large.txt": (lambda: b"x" * 3_000_001, "larger than"),
}


def make_broken(folder: Path, outside: Path) -> dict[str, str]:
    """Fill a folder with files that cannot be read, and return a part of the reason for each path."""
    for name, (make, _) in BROKEN.items():
        (folder / name).write_bytes(make())
    reasons = {name: reason for name, (_, reason) in BROKEN.items()}
    os.mkfifo(folder / "pipe.txt")
    with socket.socket(socket.AF_UNIX) as listener:
        # A socket's path is short by nature.
        listener.bind(f"/proc/self/fd/{(descriptor := os.open(folder, os.O_RDONLY))}/socket.txt")
        os.close(descriptor)
    (outside / "secret.txt").write_text("not for you")
    (folder / "leads_out.txt").symlink_to(outside / "secret.txt")
    (folder / "leads_nowhere.txt").symlink_to(folder / "missing.txt")
    (folder / "loop.txt").symlink_to(folder / "loop.txt")
    (folder / "folder_out").symlink_to(outside)
    (folder / "named.txt").mkdir()
    Path(os.fsdecode(os.fsencode(folder) + b"/caf\xe9.txt")).write_text("x")
    return reasons | {
        "pipe.txt": "named pipe",
        "socket.txt": "socket",
        "leads_out.txt": "leads out of the folder",
        "leads_nowhere.txt": "or nowhere",
        "loop.txt": "or nowhere",
        "folder_out": "leads out of the folder",
        "caf\\xe9.txt": "not UTF-8",
    }
