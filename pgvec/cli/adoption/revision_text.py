"""Writes the two Alembic revisions of an adoption: the column before, the index after its rows are embedded."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from pgvec.cli.adoption.plan import Adoption
from pgvec.orm.index_definition import IndexDefinition

__all__ = ["Revision", "write_revisions"]

_TEXT = '''"""{title}"""

from __future__ import annotations

from alembic import op
{imports}
revision = {revision!r}
down_revision = {down_revision!r}
branch_labels = None
depends_on = None


def upgrade() -> None:
{upgrade}


def downgrade() -> None:
{downgrade}
'''


@dataclass(frozen=True, slots=True)
class Revision:
    """A revision: its id, and its text."""

    id: str
    text: str


def write_revisions(adoption: Adoption, after: str | None) -> list[Revision]:
    """Return the revisions that the table needs, none where it has all.

    Args:
        adoption: What is to be done.
        after: The revision of the application that they follow.
    """
    stem = re.sub(r"\W", "_", adoption.table.name)[:20]
    revisions = []
    for part, lines in (("column", _column(adoption)), ("index", _index(adoption))):
        if lines is None:
            continue
        upgrade, downgrade, imports = lines
        id_ = f"{stem}_{part}"
        revisions.append(
            Revision(
                id_,
                _TEXT.format(
                    title=f"The vector {part} of {adoption.name}.",
                    imports=imports,
                    revision=id_,
                    down_revision=after,
                    upgrade=_indented(upgrade),
                    downgrade=_indented(downgrade),
                ),
            )
        )
        after = id_
    return revisions


def _column(adoption: Adoption) -> tuple[list[str], list[str], str] | None:
    table, name, embedding = adoption.table, adoption.column, adoption.embedding
    place = "" if table.schema is None else f", schema={str(table.schema)!r}"
    where = "" if embedding.extension_schema is None else f", extension_schema={embedding.extension_schema!r}"
    target = f"{str(table.name)!r}, {name!r}"
    if adoption.adds_column:
        declared = f"Embedding({embedding.dimensions}{where})"
        upgrade = [
            "# A nullable column without a default is added without writing the table, but nobody may use the table meanwhile.",
            "op.execute(\"SET LOCAL lock_timeout = '5s'\")",
            f"op.add_column({str(table.name)!r}, sa.Column({name!r}, {declared}, nullable=True){place})",
        ]
        if embedding.storage is not None:
            upgrade.append(f"op.alter_embedding({target}, storage={embedding.storage!r}{place})")
        imports = "import sqlalchemy as sa\nfrom pgvec.orm import Embedding\n"
        return upgrade, [f"op.drop_column({target}{place})"], imports
    if not adoption.fixes_dimensions:
        return None
    kind = repr(embedding.type.value)
    types = f"type={kind}, dimensions={embedding.dimensions}, existing_type={kind}"
    back = f"type={kind}, existing_type={kind}, existing_dimensions={embedding.dimensions}"
    upgrade = [
        "# Without a number of dimensions there is no index. This reads and writes the whole table, and nobody may use it meanwhile.",
        f"op.alter_embedding({target}, {types}{place}{where})",
    ]
    return upgrade, [f"op.alter_embedding({target}, {back}{place}{where})"], ""


def _index(adoption: Adoption) -> tuple[list[str], list[str], str] | None:
    if adoption.index is None:
        return None
    definition = replace(
        IndexDefinition.from_index(adoption.index, str(adoption.index.name)), schema=adoption.table.schema
    )
    on = f"expression={definition.expression!r}" if definition.column is None else repr(str(definition.column))
    place = "" if definition.schema is None else f", schema={str(definition.schema)!r}"
    target = f"{str(definition.name)!r}, {str(definition.table)!r}"
    upgrade = [
        f"op.create_vector_index({target}, {on}, operator_class={definition.operator_class!r}{place}, concurrently=True)"
    ]
    if adoption.embeds:
        upgrade.insert(0, "# After the rows are embedded: pgvec adopt --run, or your own way.")
    return upgrade, [f"op.drop_vector_index({target}{place}, concurrently=True)"], ""


def _indented(lines: list[str]) -> str:
    return "\n".join(f"    {line}" for line in lines)
