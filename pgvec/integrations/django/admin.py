"""An admin that searches by meaning, and shows embeddings without listing their numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from django.contrib import admin
from django.db.models import Case, FloatField, Value, When

from pgvec.errors import ConfigurationError, EmbeddingError, PgvecError
from pgvec.integrations.django import conf
from pgvec.integrations.django.kept import KeywordIndex
from pgvec.integrations.django.managers import EmbeddingQuerySet
from pgvec.integrations.django.reading import vector_columns

__all__ = ["EmbeddingAdmin"]

_ANNOTATION = "pgvec_distance"
_NEAREST_FIRST = [_ANNOTATION, "pk"]
_SHOWN_ELEMENTS = 4


class _OrderedByDistance:
    """What a ``ChangeList`` needs to follow the order of a search: Django 4.2 orders after it has searched."""

    def get_ordering(self, request: Any, queryset: Any) -> Any:
        """Return nearest first, unless a column was clicked."""
        if _by_distance(request, queryset):
            return _NEAREST_FIRST
        return super().get_ordering(request, queryset)  # type: ignore[misc]

    def get_ordering_field_columns(self) -> Any:
        """Mark no column as the one that decides the order, where the distance does."""
        if _ANNOTATION in self.queryset.query.order_by:  # type: ignore[attr-defined]
            return {}
        return super().get_ordering_field_columns()  # type: ignore[misc]


def _by_distance(request: Any, queryset: Any) -> bool:
    return _ANNOTATION in queryset.query.annotations and "o" not in request.GET


class EmbeddingAdmin(admin.ModelAdmin):
    """A ``ModelAdmin`` for a model with embeddings.

    Its search box searches by meaning, within the filters that are chosen, and orders by distance unless a column is clicked.
    Without an embedder, or where it does not answer, the box searches as Django's does. Embeddings are shown in short and
    are never part of a form, so that saving a record leaves its embedding alone. Where the model has one ``KeywordIndex``, the
    box searches by words and meaning together, and shows scores instead of distances.

    Attributes:
        search_limit: How many of the nearest records a search lists.
        search_column: Name of the embedding field, where the model has several.
        search_index: Name of the ``KeywordIndex`` to search by too, where the model has several; ``""`` for none.
    """

    search_limit = 50
    search_column: str | None = None
    search_index: str | None = None

    def get_search_fields(self, request: Any) -> Sequence[str]:
        """Return fields also where none are declared, since without any Django shows no search box."""
        declared: Sequence[str] = super().get_search_fields(request)
        return declared or tuple(vector_columns(self.model))

    def get_search_results(self, request: Any, queryset: Any, search_term: str) -> tuple[Any, bool]:
        """Return the records nearest in meaning, nearest first."""
        if not search_term.strip():
            return queryset, False
        try:
            places = self._places(queryset, search_term)
        except (ConfigurationError, EmbeddingError) as exc:
            return self._search_by_words(request, queryset, search_term, exc)
        place = Case(*(When(pk=key, then=Value(place)) for key, place in places.items()), output_field=FloatField())
        found = queryset.filter(pk__in=places)
        if places:
            found = found.annotate(**{_ANNOTATION: place})
            if _by_distance(request, found):
                found = found.order_by(*_NEAREST_FIRST)
        return found, False

    def get_changelist(self, request: Any, **kwargs: Any) -> Any:
        """Return the list that keeps the order of a search."""
        given = super().get_changelist(request, **kwargs)
        return type(given.__name__, (_OrderedByDistance, given), {})

    def get_list_display(self, request: Any) -> Sequence[Any]:
        """Add the distance to the list where a search was made, and show embeddings in short."""
        shown = [self._in_short(item) for item in super().get_list_display(request)]
        if not request.GET.get("q", "").strip():
            return shown
        return [*shown, _distance if self._keyword_index is None else _score]

    def get_queryset(self, request: Any) -> Any:
        """Leave out embeddings: they are long, and a record that never had one loaded does not write it back."""
        match = getattr(request, "resolver_match", None)
        lists = request.method == "GET" and match is not None and str(match.url_name).endswith("_changelist")
        embeddings = (name for name in vector_columns(self.model) if not (lists and name in self.list_display))
        return super().get_queryset(request).defer(*embeddings)

    def get_exclude(self, request: Any, obj: Any = None) -> Sequence[str]:
        """Leave embeddings out of forms."""
        return [*(super().get_exclude(request, obj) or ()), *vector_columns(self.model)]

    def get_readonly_fields(self, request: Any, obj: Any = None) -> Sequence[Any]:
        """Show embeddings in short beside the form."""
        given = [self._in_short(item) for item in super().get_readonly_fields(request, obj)]
        return [*given, *(item for item in self._summaries.values() if item not in given)]

    def get_fieldsets(self, request: Any, obj: Any = None) -> Any:
        """Put the short form wherever a fieldset names an embedding."""
        return [
            (name, {**options, "fields": [self._in_short(item) for item in options["fields"]]})
            for name, options in super().get_fieldsets(request, obj)
        ]

    @property
    def _summaries(self) -> dict[str, Callable[[Any], str]]:
        if not hasattr(self, "_summary_functions"):
            self._summary_functions = {name: _summary(self.model, name) for name in vector_columns(self.model)}
        return self._summary_functions

    def _in_short(self, item: Any) -> Any:
        if isinstance(item, list | tuple):  # fields that share a line
            return [self._in_short(part) for part in item]
        return self._summaries.get(item, item) if isinstance(item, str) else item

    @property
    def _keyword_index(self) -> str | None:
        """The keyword index that the box asks too, or None."""
        if self.search_index is not None:
            return self.search_index or None
        names = [index.name for index in self.model._meta.indexes if isinstance(index, KeywordIndex)]
        return names[0] if len(names) == 1 else None

    def _places(self, queryset: Any, text: str) -> dict[Any, float]:
        """Return what the nearest records are ordered by, ascending: their distance, or their score with its sign changed."""
        if conf.embedder() is None:
            raise ConfigurationError("PGVEC['EMBEDDER'] is not set")
        # Whatever the manager of the model is, its queryset chooses the rows.
        conditions = EmbeddingQuerySet(self.model, query=queryset.order_by().query, using=queryset.db)
        # What the list shows beside the fields is none of the search's business.
        conditions.query.set_annotation_mask(())
        conditions = conditions.select_related(None).prefetch_related(None).only("pk")
        index = self._keyword_index
        if index is None:
            found = conditions.search(text, column=self.search_column)[: self.search_limit]
            return {match.record.pk: match.distance for match in found.get_matches()}
        found = conditions.hybrid_search(text, column=self.search_column, index=index)[: self.search_limit]
        return {match.record.pk: -(match.score or 0.0) for match in found.get_matches()}

    def _search_by_words(self, request: Any, queryset: Any, term: str, reason: PgvecError) -> tuple[Any, bool]:
        self.message_user(request, f"Not searched by meaning: {reason}", level="WARNING", fail_silently=True)
        if not self.search_fields:
            return queryset.none(), False
        return super().get_search_results(request, queryset, term)  # type: ignore[no-any-return]


# Not to be clicked: the list is ordered before it is searched, and nearest first without a click.
@admin.display(description="distance")
def _distance(record: Any) -> str:
    distance = getattr(record, _ANNOTATION, None)
    return "" if distance is None else f"{distance:.3f}"


@admin.display(description="score")
def _score(record: Any) -> str:
    place = getattr(record, _ANNOTATION, None)
    return "" if place is None else f"{0.0 - place:.3f}"


def _summary(model: Any, name: str) -> Callable[[Any], str]:
    """Make the function that shows an embedding in short."""

    @admin.display(description=model._meta.get_field(name).verbose_name, empty_value="-")
    def shown(record: Any) -> str | None:
        value = getattr(record, name)
        if value is None:
            return None
        elements = list(value)[:_SHOWN_ELEMENTS] if hasattr(value, "__iter__") else []
        first = ", ".join(f"{float(element):.3g}" for element in elements)
        return f"{first}, … ({len(value)} dimensions)" if elements else str(value)[:40]

    shown.__name__ = f"{name}_in_short"
    return shown  # type: ignore[no-any-return]
