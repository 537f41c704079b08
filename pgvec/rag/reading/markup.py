"""HTML and DOCX become Markdown, so that chunks can end at headings."""

from __future__ import annotations

import importlib
import io
import re
import zipfile
from typing import Any

from pgvec.errors import MissingDependencyError, UnreadableFileError
from pgvec.rag.reading.plain import decode
from pgvec.rag.values import FileText

__all__ = ["read_docx", "read_html"]

_MOST_UNPACKED = 200_000_000
_MOST_RATIO = 200
_DECLARED = re.compile(rb"""<(?:meta[^>]+charset|\?xml[^>]+encoding)\s*=\s*["']?\s*([A-Za-z0-9_.:-]+)""", re.IGNORECASE)
_DECLARATION = re.compile(r"\A\s*<\?xml.*?\?>", re.DOTALL)
# What stands around a page, or is not for readers.
_LEFT_OUT = ["script", "style", "noscript", "template", "nav", "aside", "form", "button", "svg", "head", "iframe"]
_BLANK_LINES = re.compile(r"\n[ \t]*(?:\n[ \t]*)+\n")


def read_html(data: bytes, kind: str, encoding: str | None) -> FileText:
    """Read the main part of a page.

    Raises:
        UnreadableFileError: Its bytes are not in the encoding that it declares.
        MissingDependencyError: The extra ``rag`` is not installed.
    """
    declared = _DECLARED.search(data[:2_048])
    text = decode(data, encoding, declared=declared.group(1).decode("ascii") if declared else None)
    markdown, title = _markdown(text)
    return FileText(markdown, title, kind)


def read_docx(data: bytes, kind: str, encoding: str | None) -> FileText:
    """Read a document of a word processor, without its pictures.

    Raises:
        UnreadableFileError: It is no such thing, or would grow beyond all measure when it is unpacked.
        MissingDependencyError: The extra ``rag`` is not installed.
    """
    del encoding
    mammoth = _import("mammoth", "Reading DOCX")
    _check_archive(data)
    found = mammoth.convert_to_html(io.BytesIO(data), convert_image=mammoth.images.img_element(lambda _: {}))
    markdown, _ = _markdown(found.value)
    return FileText(markdown, "", kind)


def _check_archive(data: bytes) -> None:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            parts = archive.infolist()
            unpacked = sum(part.file_size for part in parts)
            # The archive's own reader never unpacks more of a part than it declares.
            if unpacked > _MOST_UNPACKED or unpacked > _MOST_RATIO * max(len(data), 10_000):
                raise UnreadableFileError(f"would grow from {len(data):,} to {unpacked:,} bytes when it is unpacked")
            if "word/document.xml" not in archive.namelist():
                raise UnreadableFileError("is no DOCX: the archive holds no word/document.xml")
            for part in parts:
                # Entities could make a large text of a small one; Office refuses them, too.
                if part.filename.endswith((".xml", ".rels")) and b"<!DOCTYPE" in archive.read(part):
                    raise UnreadableFileError(f"holds a document type declaration, in {part.filename:.100}")
    except (zipfile.BadZipFile, EOFError) as exc:
        raise UnreadableFileError(f"is no DOCX, or cut off: {exc}") from exc


def _markdown(html: str) -> tuple[str, str]:
    """Return a page as Markdown, and its title."""
    soup = _import("bs4", "Reading HTML").BeautifulSoup(
        # The library guesses (aloud) whether it was given an address, or XML.
        "<!---->" + _DECLARATION.sub("", html),
        "html.parser",
    )
    title = soup.title.get_text(" ", strip=True) if soup.title else ""
    for part in soup(_LEFT_OUT):
        part.decompose()
    articles = soup.find_all("article")
    root = soup.find("main") or (articles[0] if len(articles) == 1 else None) or soup.find("body") or soup
    converter = _import("markdownify", "Reading HTML").MarkdownConverter(
        heading_style="ATX",
        bullets="-",
        strip=["a", "img"],
        escape_asterisks=False,
        escape_underscores=False,
        escape_misc=False,
    )
    text = converter.convert_soup(root).replace("\0", "\ufffd")
    return _BLANK_LINES.sub("\n\n", text).strip(), title


def _import(name: str, purpose: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as exc:
        raise MissingDependencyError.for_extra("rag", purpose) from exc
