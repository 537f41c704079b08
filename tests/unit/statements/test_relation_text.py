"""Names of tables as they are bound."""

from __future__ import annotations

import pytest

from pgvec.statements.plan import relation_text


@pytest.mark.parametrize(
    ("name", "schema", "text"),
    [("t", None, '"t"'), ("Lot", "my shop", '"my shop"."Lot"'), ('a"b', None, '"a""b"'), ("100%", "s", '"s"."100%"')],
)
def test_every_name_is_quoted_once(name: str, schema: str | None, text: str):
    """Quotes are doubled, and percent signs are not: no driver formats what is bound."""
    assert relation_text(name, schema) == text
