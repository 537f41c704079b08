"""An application that used pgvector-python before: its models stay as they are."""

from __future__ import annotations

import numpy as np
from database import SCHEMA, example_database
from pgvector.sqlalchemy import VECTOR
from sqlalchemy import Index, MetaData, create_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from pgvec import Repository


class Base(DeclarativeBase):
    """Base of the model."""

    metadata = MetaData(schema=SCHEMA)


class Product(Base):
    """What the application had: the distance is read from the only vector index."""

    __tablename__ = "product"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    price: Mapped[float]
    embedding = mapped_column(VECTOR(32))
    __table_args__ = (
        Index(
            "product_embedding",
            "embedding",
            postgresql_using="hnsw",
            postgresql_with={"m": 16, "ef_construction": 64},
            postgresql_ops={"embedding": "vector_l2_ops"},
        ),
    )


def main() -> None:
    """Load two thousand products and look for cheap ones near a query."""
    rng = np.random.default_rng(3)
    with example_database() as url:
        engine = create_engine(url)
        Base.metadata.create_all(engine)
        with Session(engine) as session:
            products = Repository(session, Product)
            report = products.bulk_load(
                {
                    "id": number,
                    "name": f"Product {number}",
                    "price": float(number % 100),
                    "embedding": rng.standard_normal(32),
                }
                for number in range(1, 2001)
            )
            print(f"{report.inserted} products by {report.method}, {report.rows / report.seconds:,.0f} rows/s")
            found = products.search(rng.standard_normal(32), where=Product.price < 2, limit=5)
            for match in found:
                print(f"{match.distance:.3f}  {match.record.name}  {match.record.price:.2f}")
            print(found.receipt)
        engine.dispose()


if __name__ == "__main__":
    main()
