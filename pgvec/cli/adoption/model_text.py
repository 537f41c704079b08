"""Writes the mapped class of a table that exists."""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from pgvec.cli.adoption.plan import Adoption
from pgvec.model import VectorType
from pgvec.orm.index_definition import expression_text
from pgvec.orm.rules import DEFAULT_DISTANCE

__all__ = ["class_name", "write_model"]

# What declarative classes keep for themselves.
_RESERVED = {"metadata", "registry"}
_HEAD = '''"""The table {name}, as it was found{made_by}."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from pgvec.orm import Embedding, HnswIndex


class Base(DeclarativeBase):
    """Take your own instead, if you have one."""


class {class_name}(Base):
    __tablename__ = {table!r}
    __table_args__ = (
{arguments}
    )

{columns}
'''


def class_name(table: str) -> str:
    """Return a name for the class of a table: ``blog_posts`` becomes ``BlogPost``."""
    words = [word for word in re.split(r"\W|_", table) if word]
    name = "".join(word[0].upper() + word[1:] for word in words) or "Table"
    if name.endswith("s") and not name.endswith("ss") and len(name) > 2:
        name = name[:-1]
    return name if name.isidentifier() else f"Table{name}"


def write_model(adoption: Adoption, name: str) -> str:
    """Return a module with the mapped class of the table, its columns, indexes and unique constraints."""
    table = adoption.table
    lines = [_column(column) for column in table.columns if column.name != adoption.column]
    lines.append(_embedding(adoption))
    arguments = [*_unique_constraints(table), *_indexes(table), *_vector_indexes(adoption)]
    schema = "" if table.schema is None else f"        {{'schema': {str(table.schema)!r}}},"
    text = _HEAD.format(
        name=adoption.name,
        made_by="" if adoption.made_by is None else f"; made by {adoption.made_by}",
        class_name=name,
        table=str(table.name),
        arguments="\n".join([*(f"        {argument}," for argument in arguments), *([schema] if schema else [])]),
        columns="\n".join(f"    {line}" for line in lines),
    )
    foreign = [_foreign_key(constraint) for constraint in table.foreign_key_constraints]
    if foreign:
        text += "\n    # Foreign keys, to be declared once the tables that they point to are mapped as well:\n"
        text += "".join(f"    # {line}\n" for line in sorted(foreign))
    return text.replace("    __table_args__ = (\n\n    )\n", "")


def _column(column: sa.Column[Any]) -> str:
    attribute = _attribute(column.name)
    arguments = [] if attribute == column.name else [repr(str(column.name))]
    arguments.append(_type(column.type))
    if isinstance(column.server_default, sa.Computed):
        arguments.append(f"sa.Computed({str(column.server_default.sqltext)!r}, persisted=True)")
    elif column.identity is not None:
        arguments.append(f"sa.Identity(always={bool(column.identity.always)})")
    elif column.server_default is not None and not _is_serial(column):
        arguments.append("server_default=sa.FetchedValue()")
    arguments += ["primary_key=True"] if column.primary_key else [f"nullable={column.nullable}"]
    arguments += [] if column.comment is None else [f"comment={column.comment!r}"]
    python_type = _python_type(column.type)
    optional = " | None" if column.nullable and not column.primary_key and python_type != "Any" else ""
    return f"{attribute}: Mapped[{python_type}{optional}] = mapped_column({', '.join(arguments)})"


def _embedding(adoption: Adoption) -> str:
    embedding = adoption.embedding
    options = [str(embedding.dimensions)]
    if embedding.distance is not DEFAULT_DISTANCE[embedding.type]:
        options.append(f"distance={embedding.distance.value!r}")
    if embedding.type is not VectorType.VECTOR:
        options.append(f"type={embedding.type.value!r}")
    for option in ("storage", "source", "extension_schema"):
        value = getattr(embedding, option)
        options += [] if value is None else [f"{option}={value!r}"]
    attribute = _attribute(adoption.column)
    name = "" if attribute == adoption.column else f"{adoption.column!r}, "
    existing = adoption.table.columns.get(adoption.column)
    nullable = existing is None or existing.nullable
    optional = " | None" if nullable else ""
    return f"{attribute}: Mapped[Any{optional}] = mapped_column({name}Embedding({', '.join(options)}), nullable={nullable})"


def _vector_indexes(adoption: Adoption) -> list[str]:
    if adoption.index is None:
        return []
    quantization = getattr(adoption.index, "quantization", None)
    option = "" if quantization is None else f", quantization={quantization.value!r}"
    return [f"HnswIndex({adoption.column!r}{option})"]


def _indexes(table: sa.Table) -> Iterable[str]:
    for index in sorted(table.indexes, key=lambda index: str(index.name)):
        # Postgres makes these for unique constraints, which are listed themselves.
        if index.info.get("duplicates_constraint") or _is_of_constraint(table, index):
            continue
        parts = [repr(str(index.name))]
        parts += [_index_part(part) for part in index.expressions]
        parts += ["unique=True"] if index.unique else []
        given = index.dialect_options["postgresql"]
        for option in ("using", "with", "ops", "include"):
            value = given[option]
            parts += [f"postgresql_{option}={value!r}"] if value else []
        if given["where"] is not None:
            parts.append(f"postgresql_where=sa.text({str(given['where'])!r})")
        yield f"sa.Index({', '.join(parts)})"


def _index_part(part: Any) -> str:
    return repr(str(part.name)) if isinstance(part, sa.Column) else f"sa.text({expression_text(part)!r})"


def _is_of_constraint(table: sa.Table, index: sa.Index) -> bool:
    return any(
        isinstance(constraint, sa.UniqueConstraint) and constraint.name == index.name
        for constraint in table.constraints
    )


def _unique_constraints(table: sa.Table) -> Iterable[str]:
    found = [constraint for constraint in table.constraints if isinstance(constraint, sa.UniqueConstraint)]
    for constraint in sorted(found, key=lambda constraint: str(constraint.name)):
        columns = ", ".join(repr(str(column.name)) for column in constraint.columns)
        yield f"sa.UniqueConstraint({columns}, name={str(constraint.name)!r})"


def _foreign_key(constraint: sa.ForeignKeyConstraint) -> str:
    columns = [str(column.name) for column in constraint.columns]
    targets = [element.target_fullname for element in constraint.elements]
    action = "" if constraint.ondelete is None else f", ondelete={constraint.ondelete!r}"
    return f"sa.ForeignKeyConstraint({columns!r}, {targets!r}, name={str(constraint.name)!r}{action})"


def _is_serial(column: sa.Column[Any]) -> bool:
    default = column.server_default
    return (
        column.primary_key and isinstance(default, sa.DefaultClause) and str(default.arg).lower().startswith("nextval(")
    )


def _type(type_: Any) -> str:
    """Write a type that was read from the database."""
    if isinstance(type_, postgresql.ARRAY):
        return f"postgresql.ARRAY({_type(type_.item_type)})"
    name = type(type_).__name__
    # Their defaults are written out by repr, with names that the module does not import.
    if isinstance(type_, sa.JSON):
        return f"postgresql.{name}()"
    if type(type_).__module__.startswith("sqlalchemy.dialects.postgresql"):
        return f"postgresql.{type_!r}"
    return f"sa.{type_!r}" if hasattr(sa, name) else "sa.types.NullType()"


def _python_type(type_: Any) -> str:
    try:
        found = type_.python_type
    except NotImplementedError:
        return "Any"
    return found.__name__ if found.__module__ == "builtins" and found not in (dict, list) else "Any"


def _attribute(name: str) -> str:
    attribute = re.sub(r"\W", "_", name)
    if not attribute or attribute[0].isdigit():
        attribute = f"column_{attribute}"
    if keyword.iskeyword(attribute) or attribute in _RESERVED or attribute.startswith("__"):
        attribute = f"{attribute.lstrip('_')}_"
    return attribute
