"""Distances as pgvector's operators compute them."""

from __future__ import annotations

from enum import StrEnum

__all__ = ["Distance"]


class Distance(StrEnum):
    """A distance: smaller is nearer. The values are what ``Embedding(distance=...)`` takes.

    ``inner_product`` is the *negative* inner product, as pgvector's ``<#>`` returns it.
    Source: https://github.com/pgvector/pgvector#querying
    """

    COSINE = "cosine"
    L2 = "l2"
    INNER_PRODUCT = "inner_product"
    L1 = "l1"
    HAMMING = "hamming"
    JACCARD = "jaccard"

    @property
    def operator(self) -> str:
        """The operator of pgvector for this distance."""
        return _OPERATORS[self]

    @property
    def operator_class_suffix(self) -> str:
        """What follows the column type in the name of pgvector's operator class: ``vector_`` + ``cosine_ops``."""
        return _SUFFIXES[self]


_OPERATORS = {
    Distance.COSINE: "<=>",
    Distance.L2: "<->",
    Distance.INNER_PRODUCT: "<#>",
    Distance.L1: "<+>",
    Distance.HAMMING: "<~>",
    Distance.JACCARD: "<%>",
}
_SUFFIXES = {
    Distance.COSINE: "cosine_ops",
    Distance.L2: "l2_ops",
    Distance.INNER_PRODUCT: "ip_ops",
    Distance.L1: "l1_ops",
    Distance.HAMMING: "hamming_ops",
    Distance.JACCARD: "jaccard_ops",
}
