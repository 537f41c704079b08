"""The examples of README and docs run, one after the other, on an empty database."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pgvec import errors

CHECKOUT = Path(__file__).parents[2]
# These pages have tests of their own, which check more than that they run.
OWN_TESTS = {
    path.name.removeprefix("test_").removesuffix("_page.py") for path in Path(__file__).parent.glob("*_page.py")
}
PAGES = sorted(
    page
    for page in [CHECKOUT / "README.md", *(CHECKOUT / "docs").rglob("*.md")]
    if page.stem not in OWN_TESTS and "```python" in page.read_text()
)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_examples_of_a_page_run(
    page: Path, empty_database_url: str, server_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every Python example of a page runs as it stands, in the order of the page."""
    text = page.read_text()
    if "default_embedder" in text:
        pytest.importorskip("sentence_transformers")
    monkeypatch.setenv("PGVEC_URL", empty_database_url)
    monkeypatch.setenv("PGVEC_SERVER_DIR", str(server_folder))
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {"__name__": page.stem}
    for block in re.finditer(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        source = "\n" * text.count("\n", 0, block.start(1)) + block[1]
        exec(compile(source, str(page), "exec", dont_inherit=True), names)


def test_every_link_leads_somewhere() -> None:
    """Relative links of README and docs name files that exist."""
    for page in [CHECKOUT / "README.md", CHECKOUT / "CONTRIBUTING.md", *(CHECKOUT / "docs").rglob("*.md")]:
        for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
            assert (page.parent / link).exists(), f"{page.name} links to {link}"


def test_every_error_is_documented() -> None:
    """docs/errors.md has every error of the library, and no other."""
    documented = re.findall(r"^\| `(\w+Error)` \|", (CHECKOUT / "docs" / "errors.md").read_text(), re.MULTILINE)
    assert sorted(documented) == errors.__all__
