"""Files are read as what they are named."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.document_files import docx, pdf

from pgvec.errors import InvalidInputError, InvalidOptionError, UnreadableFileError
from pgvec.rag import FileText, read_file
from pgvec.rag.reading import find_files, read_document

pytest.importorskip("pypdf")
pytest.importorskip("mammoth")
pytest.importorskip("markdownify")

PAGE = b"""<!DOCTYPE html><html><head><title>Rates &amp; growth</title><style>p {}</style></head>
<body><nav>Home</nav><main><h1>Rates</h1><p>The <b>bank</b> raised <a href="/x">its_rate</a>.</p>
<ul><li>one</li><li>two</li></ul><script>alert(1)</script><table><tr><th>a</th></tr><tr><td>1</td></tr></table>
</main><footer>end</footer></body></html>"""


@pytest.mark.parametrize(
    ("name", "data", "expected"),
    [
        ("a.txt", "one\r\ntwo \U0001f600".encode(), FileText("one\r\ntwo \U0001f600", "a", "text")),
        ("a.TXT", "caf\u00e9".encode("utf-16"), FileText("caf\u00e9", "a", "text")),
        ("b.md", b"\xef\xbb\xbfIntro\n\n## The `title` ##\ntext", FileText("Intro\n\n## The `title` ##\ntext", "The `title`", "markdown")),
        ("c.rst", b"Title\n=====\n", FileText("Title\n=====\n", "c", "rst")),
        ("d.py", b"x = 1\n", FileText("x = 1\n", "d", "code")),
        ("e.csv", b"name;price\nTea;3\nCake;\n", FileText("name: Tea\nprice: 3\n\nname: Cake", "e", "csv")),
        ("f.pdf", pdf("One page", "Two"), FileText("One page\n\nTwo", "f", "pdf", (0, 10))),
        ("g.docx", docx("# Head", "Body &amp; more"), FileText("# Head\n\nBody & more", "Head", "docx")),
        ("h.html", b"<?xml version='1.0' encoding='latin-1'?><p>caf\xe9 *x*</p>", FileText("caf\u00e9 *x*", "h", "html")),
    ],
)  # fmt: skip
def test_each_format_becomes_text(name: str, data: bytes, expected: FileText) -> None:
    """Text stays what it is, tables become paragraphs, and what has headings becomes Markdown."""
    assert read_document(data, name) == expected


def test_of_a_page_the_main_part_is_read() -> None:
    """Markdown without scripts, navigation and addresses of links, under the page's own title."""
    read = read_document(PAGE, "page.html")
    assert read.title == "Rates & growth"
    assert read.text.startswith("# Rates\n\nThe **bank** raised its_rate.\n\n- one\n- two\n\n| a |")
    assert "alert" not in read.text
    assert "Home" not in read.text


def test_a_file_is_refused_with_its_name_and_a_reason(tmp_path: Path) -> None:
    """The error names the file; an encoding helps where the file says nothing, and has to exist."""
    file = tmp_path / "a.txt"
    file.write_bytes("caf\u00e9".encode("latin-1"))
    with pytest.raises(UnreadableFileError, match=r"a\.txt is not UTF-8: byte 3 is 0xE9") as caught:
        read_file(file)
    assert caught.value.reason
    assert caught.value.reason.startswith("is not UTF-8")
    assert read_file(file, encoding="latin-1").text == "caf\u00e9"
    with pytest.raises(InvalidOptionError, match="encoding='klingon'"):
        read_file(file, encoding="klingon")
    with pytest.raises(UnreadableFileError, match="no format that is read"):
        read_document(b"", "a.exe")


def test_a_folder_is_searched_to_its_end(tmp_path: Path) -> None:
    """Hidden names are passed over, links within the folder are followed, patterns choose, other formats are counted."""
    for path in ("b.md", "a/c.md", "a/d.txt", ".git/e.md", "f.exe", "a/.hidden.md"):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text("x")
    (tmp_path / "link.md").symlink_to("a/c.md")
    (tmp_path / "again").symlink_to("a")
    found = find_files(tmp_path)
    assert [file.path for file in found.files] == ["a/c.md", "a/d.txt", "b.md", "link.md"]
    assert (found.refused, found.ignored) == ([], 1)
    chosen = find_files(tmp_path, include=["*.md"], exclude=["a/*"])
    assert [file.path for file in chosen.files] == ["b.md", "link.md"]
    with pytest.raises(InvalidInputError, match="no folder that can be read"):
        find_files(tmp_path / "b.md")
    with pytest.raises(InvalidOptionError, match="list of patterns"):
        find_files(tmp_path, include="*.md")
