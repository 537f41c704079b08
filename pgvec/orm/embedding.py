"""The column type of embeddings."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql.base import PGDialect
from sqlalchemy.types import UserDefinedType

from pgvec.errors import InvalidInputError, InvalidOptionError
from pgvec.model import Distance, VectorColumn, VectorType
from pgvec.orm.rules import (
    DEFAULT_DISTANCE,
    MAX_STORED_DIMENSIONS,
    check_distance,
    check_plain_storage,
    choose,
    whole_number,
)
from pgvec.orm.values import SparseVector, check_value, decode, to_text

__all__ = ["Embedding", "operator_name", "quote_identifier"]

# Quotes where Postgres needs it, as SQLAlchemy itself does.
quote_identifier: Callable[[str], str] = PGDialect().identifier_preparer.quote  # type: ignore[no-untyped-call]


def operator_name(distance: Distance, extension_schema: str | None) -> str:
    """Name the operator of a distance for ``Column.op``, with its schema where one is given."""
    if extension_schema is None:
        return distance.operator
    # Both the quoting of names and op() double percent signs for the driver: once is enough.
    schema = quote_identifier(extension_schema).replace("%%", "%")
    return f"OPERATOR({schema}.{distance.operator})"


def _can_be_name(text: object) -> bool:
    # A NUL would end the statement that the name stands in.
    return isinstance(text, str) and text != "" and "\0" not in text


class Embedding(UserDefinedType[Any]):
    """A vector column that knows how its vectors are compared.

    For ``mapped_column``, ``Column`` and SQLModel's ``sa_type`` alike. Values are checked when they are bound: a wrong number of
    dimensions, NaN, infinite elements, and a zero vector under the cosine distance never reach the table.

    Values read are float32 arrays for ``vector`` and ``halfvec``, bool arrays for ``bit``, and pgvector-python's ``SparseVector``
    for ``sparsevec``. :func:`pgvec.orm.values.check_value` tells what may be written. Arrays are values here: assign a new
    one instead of changing one in place.

    Args:
        dimensions: Number of dimensions of every vector.
        distance: ``cosine``, ``l2``, ``inner_product`` or ``l1``; for ``bit`` ``hamming`` or ``jaccard``. None means ``cosine``,
            and ``hamming`` for ``bit``.
        type: ``vector`` (4 bytes for each dimension), ``halfvec`` (2), ``sparsevec`` (8 for each element that is not zero) or
            ``bit`` (one bit).
        storage: ``plain`` keeps vectors inside the table's pages, which makes exact search several times faster from 500
            dimensions on, as far as they fit (2,030 dimensions of ``vector``). None leaves Postgres' own choice.
        source: Attributes that the embedding is made from.
        embedder: Name of the embedder that makes it; a note for what reads the column.
        extension_schema: Postgres schema of the extension where ``search_path`` does not contain it.

    Raises:
        InvalidOptionError: An option, or their combination, is beyond what pgvector can do.
    """

    cache_ok = True
    hashable = False

    # SQLAlchemy copies a type, and recognises equal ones in its cache of compiled statements, by the parameters that can be
    # passed by position. A keyword-only parameter would be lost to both, so that one column could be bound as another.
    def __init__(  # noqa: PLR0917
        self,
        dimensions: int,
        distance: Distance | str | None = None,
        type: VectorType | str = VectorType.VECTOR,  # noqa: A002 - part of the public contract
        storage: str | None = None,
        source: Iterable[str] | None = None,
        embedder: str | None = None,
        extension_schema: str | None = None,
    ) -> None:
        self.type = choose(VectorType, type, "type")
        self.dimensions = whole_number(dimensions, "dimensions", 1, MAX_STORED_DIMENSIONS[self.type])
        self.distance = DEFAULT_DISTANCE[self.type] if distance is None else choose(Distance, distance, "distance")
        check_distance(self.type, self.distance)
        if storage not in (None, "plain"):
            raise InvalidOptionError(f"storage={storage!r} is neither 'plain' nor None")
        if storage == "plain":
            check_plain_storage(self.type, self.dimensions)
        self.storage = storage
        self.source = (source,) if isinstance(source, str) else tuple(source or ()) or None
        self.embedder = embedder
        if extension_schema is not None and not _can_be_name(extension_schema):
            raise InvalidOptionError(f"extension_schema={extension_schema!r} is neither the name of a schema nor None")
        self.extension_schema = extension_schema

    def describe(self, attribute: str = "", name: str = "") -> VectorColumn:
        """Return what a column of this type is; ``attribute`` and ``name`` are the column's."""
        return VectorColumn(
            attribute=attribute,
            name=name,
            type=self.type,
            dimensions=self.dimensions,
            distance=self.distance,
            source=self.source or (),
        )

    @property
    def python_type(self) -> type[Any]:
        """Class of the values that are read."""
        return SparseVector if self.type is VectorType.SPARSEVEC else np.ndarray

    def get_col_spec(self, **_kw: Any) -> str:
        """Name the type in DDL and casts."""
        name = f"{self.type.value}({self.dimensions})"
        # bit is a type of Postgres itself.
        if self.extension_schema is None or self.type is VectorType.BIT:
            return name
        return f"{quote_identifier(self.extension_schema)}.{name}"

    def bind_processor(self, dialect: sa.Dialect) -> Callable[[Any], str | None]:  # noqa: ARG002 - SQLAlchemy's signature
        """Check values and write them as text, which needs no adapter on the connection."""
        column, distance = self.describe(), self.distance

        def process(value: Any) -> str | None:
            return None if value is None else to_text(check_value(value, column, distance=distance, what="embedding"))

        return process

    def literal_processor(self, dialect: sa.Dialect) -> Callable[[Any], str]:
        """Write a checked value into the statement; its text holds digits and brackets only."""
        write = self.bind_processor(dialect)

        def process(value: Any) -> str:
            return f"'{write(value)}'"

        return process

    def result_processor(self, dialect: sa.Dialect, coltype: object) -> Callable[[Any], Any]:  # noqa: ARG002 - SQLAlchemy's
        """Read what the driver returned, also where the caller registered adapters of pgvector-python."""
        kind = self.type

        def process(value: Any) -> Any:
            return decode(value, kind)

        return process

    def compare_values(self, x: Any, y: Any) -> bool:
        """Tell whether two values are the same to Postgres, so that a flush can leave out what did not change."""
        if x is None or y is None:
            return x is y
        column = self.describe()
        try:
            first, second = (to_text(check_value(value, column, distance=None)) for value in (x, y))
        except InvalidInputError:
            return False
        return first == second

    def __repr__(self) -> str:
        options = [f"distance={self.distance.value!r}"]
        if self.type is not VectorType.VECTOR:
            options.append(f"type={self.type.value!r}")
        for option in ("storage", "source", "embedder", "extension_schema"):
            value = getattr(self, option)
            options += [f"{option}={value!r}"] if value is not None else []
        return f"Embedding({self.dimensions}, {', '.join(options)})"

    class Comparator(UserDefinedType.Comparator[Any]):
        """Distances between the column and a vector, another column or any SQL expression of its type."""

        type: Embedding

        def distance(self, other: object) -> sa.ColumnElement[float]:
            """Compare by the distance that the column declares."""
            return self._by(self.type.distance, other)

        def cosine_distance(self, other: object) -> sa.ColumnElement[float]:
            """1 minus the cosine of the angle."""
            return self._by(Distance.COSINE, other)

        def l2_distance(self, other: object) -> sa.ColumnElement[float]:
            """Euclidean distance."""
            return self._by(Distance.L2, other)

        def max_inner_product(self, other: object) -> sa.ColumnElement[float]:
            """The *negative* inner product: smaller is nearer."""
            return self._by(Distance.INNER_PRODUCT, other)

        def l1_distance(self, other: object) -> sa.ColumnElement[float]:
            """Sum of absolute differences."""
            return self._by(Distance.L1, other)

        def hamming_distance(self, other: object) -> sa.ColumnElement[float]:
            """Number of bits that differ."""
            return self._by(Distance.HAMMING, other)

        def jaccard_distance(self, other: object) -> sa.ColumnElement[float]:
            """1 minus common bits by bits that either has."""
            return self._by(Distance.JACCARD, other)

        def _by(self, distance: Distance, other: object) -> sa.ColumnElement[float]:
            declared = self.type
            check_distance(declared.type, distance)
            if not hasattr(other, "__clause_element__") and not isinstance(other, sa.ClauseElement | None):
                # The vector is checked for the distance of this comparison, not for the one that the column declares.
                compared = Embedding(
                    declared.dimensions, distance, declared.type, extension_schema=declared.extension_schema
                )
                other = sa.literal(other, compared)
            return self.expr.op(operator_name(distance, declared.extension_schema), return_type=sa.Float())(other)

    comparator_factory = Comparator
