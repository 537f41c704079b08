"""Recommendations follow the events of a user, by the tastes that a reference in NumPy finds too."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa
from fix_database import sqlalchemy_url
from sqlalchemy import Engine
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from pgvec.errors import InvalidInputError, InvalidOptionError, MappingError, PgvecError, RecordNotFoundError
from pgvec.model import Strategy
from pgvec.orm import Embedding, HnswIndex
from pgvec.recommend import WEIGHTS, AsyncRecommender, InteractionMixin, Origin, Recommender

DIMENSIONS = 16
MOODS = "abcd"


class Base(DeclarativeBase):
    pass


class Track(Base):
    __tablename__ = "track"
    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str]
    mood: Mapped[str]
    plays: Mapped[int]
    embedding: Mapped[Any | None] = mapped_column(Embedding(DIMENSIONS, distance="cosine"))
    flat: Mapped[Any | None] = mapped_column(Embedding(DIMENSIONS, type="halfvec", distance="l2"))
    signs: Mapped[Any | None] = mapped_column(Embedding(DIMENSIONS, type="bit"))
    __table_args__ = (HnswIndex("embedding"),)


class Play(InteractionMixin, Base):
    __tablename__ = "play"
    item_model = Track
    user_type = sa.Text


def _vectors() -> np.ndarray[Any, Any]:
    rng = np.random.default_rng(5)
    centres = rng.normal(size=(len(MOODS), DIMENSIONS))
    return (centres[np.arange(400) % 4] + 0.4 * rng.normal(size=(400, DIMENSIONS))).astype(np.float32)


VECTORS = _vectors()
NOW = datetime(2026, 1, 10, tzinfo=UTC)


def _recommender(bind: Any, *, column: Any = Track.embedding, **options: Any) -> Recommender:
    return Recommender(bind, Track, Play, column=column, **options)


@pytest.fixture
def session(engine: Engine) -> Iterator[Session]:
    """A session on tracks in four moods, and on what three listeners did."""
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.execute(
            sa.insert(Track),
            [
                {
                    "id": n,
                    "title": f"Track {n}",
                    "mood": MOODS[n % 4],
                    "plays": n % 50,
                    "embedding": vector,
                    "flat": vector,
                }
                for n, vector in enumerate(VECTORS)
            ],
        )
        session.add(Track(id=900, title="Silence", mood="a", plays=1_000))
        _add(session, "ann", [0, 4, 8, 12], "play")
        _add(session, "ann", [1, 5], "like")
        _add(session, "ann", [3], "dislike")
        _add(session, "bob", [0, 4, 2], "play")
        _add(session, "cat", [0], "skip")
        session.commit()
        yield session


def _add(session: Session, user: str, items: list[int], kind: str, **values: Any) -> None:
    session.add_all([Play(user_id=user, item_id=item, kind=kind, **values) for item in items])
    session.flush()


def _moods(found: Any) -> str:
    return "".join(match.record.mood for match in found)


def test_tastes_take_turns_and_give_reasons(session: Session) -> None:
    """Two moods are two tastes with their shares; an item that was seen never comes; each row says which liked item it is like."""
    recommender = _recommender(session, label=Track.title, half_life=None)
    found = recommender.recommend_for("ann", limit=12)
    assert sorted(_moods(found)) == ["a"] * 6 + ["b"] * 6
    assert {round(match.share, 3) for match in found} == {0.5}
    assert found.receipt.complete
    assert found.receipt.returned == 12
    for match in found:
        reason = match.reason
        assert match.origin is Origin.TASTE
        assert reason is not None
        assert match.record.id not in {0, 4, 8, 12, 1, 5, 3}
        cosines = {item: _cosine(VECTORS[match.record.id], VECTORS[item]) for item in (0, 4, 8, 12, 1, 5)}
        assert reason.item == max(cosines, key=lambda item: cosines[item])
        assert reason.similarity == pytest.approx(cosines[reason.item], abs=1e-5)
        assert str(reason) == f"because of Track {reason.item} ({'like' if reason.item in {1, 5} else 'play'})"
    again = recommender.recommend_for("ann", limit=400, exclude_seen=False, exact=True, where=Track.mood == "a")
    assert len(again) == 100
    assert {0, 4, 8, 12} <= {match.record.id for match in again}


def test_scores_are_those_of_a_reference(session: Session) -> None:
    """With one taste an exact answer is the order by cosine with the weighed, faded sum, less what is like a disliked item."""
    hours = {0: 1, 4: 40, 8: 100, 1: 10, 2: 5}
    kinds = {0: "play", 4: "like", 8: "purchase", 1: "rating", 2: "skip"}
    for item, age in hours.items():
        _add(session, "dan", [item], kinds[item], at=NOW - timedelta(hours=age), strength=0.5 if item == 1 else 1.0)
    found = _recommender(session, half_life="2 days", weights={"skip": -1}).recommend_for(
        "dan", tastes=1, limit=300, exact=True, avoid=0.25
    )
    unit = VECTORS / np.linalg.norm(VECTORS, axis=1, keepdims=True)
    worth = {item: WEIGHTS[kinds[item]] * 0.5 ** (hours[item] / 48) for item in (0, 4, 8)}
    worth[1] = 0.5 * WEIGHTS["rating"] * 0.5 ** (hours[1] / 48)
    taste = sum(weight * unit[item] for item, weight in worth.items())
    scores = unit @ (taste / np.linalg.norm(taste)) - 0.25 * np.maximum(unit @ unit[2], 0)
    expected = [int(n) for n in np.argsort(-scores) if n not in hours]
    pool = {match.record.id for match in found}
    assert [match.record.id for match in found] == [n for n in expected if n in pool]
    assert [match.score for match in found] == pytest.approx([scores[match.record.id] for match in found], abs=1e-5)


def test_an_event_counts_at_once(session: Session) -> None:
    """What is committed by another connection a moment before changes the next answer, also of a running recommender."""
    bind = session.get_bind()
    assert isinstance(bind, Engine)
    recommender = _recommender(bind, popularity=Track.plays)
    assert [match.record.id for match in recommender.recommend_for("new", limit=2)] == [900, 49]
    assert all(match.origin is Origin.POPULAR and match.reason is None for match in recommender.recommend_for("new"))
    filtered = recommender.recommend_for("new", where=Track.mood == "c", limit=3)
    assert [match.record.plays for match in filtered] == [48, 48, 48]
    for item, mood in ((2, "c"), (3, "d")):
        with Session(bind) as other:
            other.add(Play(user_id="new", item_id=item, kind="like"))
            other.commit()
        found = recommender.recommend_for("new")
        assert mood in set(_moods(found))
        assert {match.origin for match in found} == {Origin.TASTE}
    skipped = Play.listened("new", 2, seconds=1, length=100)
    assert skipped.strength == pytest.approx(-0.98)
    with Session(bind) as other:
        other.add_all([skipped, Play.listened("new", 2, seconds=0, length=9), Play.rated("new", 2, 1)])
        other.commit()
    assert set(_moods(recommender.recommend_for("new"))) == {"d"}


def test_filters_sessions_and_the_unlike(session: Session) -> None:
    """Filters are kept by every form; a session leads by its last items; nearness to what is not wanted counts against."""
    recommender = _recommender(session)
    rare = recommender.recommend_for("ann", where=Track.id.in_([2, 6, 0, 900]), limit=10)
    assert sorted(match.record.id for match in rare) == [2, 6]
    assert rare.receipt.complete
    assert recommender.recommend_for("ann", where=Track.id < 0).recommendations == ()
    exact = recommender.recommend_for("ann", exact=True)
    assert exact.receipt.strategy is Strategy.EXACT
    assert (rare.receipt.matching, rare.receipt.matching_is_exact) == (2, True)
    assert not exact.receipt.matching_is_exact
    assert not recommender.recommend_for("nobody").receipt.matching_is_exact
    assert set(_moods(recommender.recommend_next([0, 2], skipped=[1]))) == {"a", "c"}
    assert set(_moods(recommender.recommend_next([2, 6], user="ann", tastes=3))) == {"a", "b", "c"}
    track = session.get(Track, 0)
    plain = recommender.more_like(track, exact=True, limit=20)
    unlike = recommender.more_like(track, but_not=[plain[0].record.id], exact=True, limit=20)
    assert unlike[0].record.id not in {0, plain[0].record.id}
    assert unlike[0].score < plain[0].score
    with pytest.raises(RecordNotFoundError, match="900"):
        recommender.more_like(900)
    assert recommender.recommend_next([900], limit=1)[0].origin is Origin.POPULAR
    rows = recommender.recommend_for("ann", columns=(Track.id, Track.mood), limit=2)
    assert {row.record.mood for row in rows} == {"a", "b"}


def test_diversity_and_chance(session: Session) -> None:
    """Diverse rows are less alike; with ``explore`` about that share of places is left to chance, and without it answers are equal."""
    recommender = _recommender(session)
    plain = recommender.recommend_for("bob", limit=8)
    assert plain.records == recommender.recommend_for("bob", limit=8).records
    assert _alike(recommender.recommend_for("bob", limit=8, diversity=0.7).records) < _alike(plain.records)
    explored = [
        match.origin is Origin.EXPLORED for _ in range(12) for match in recommender.recommend_for("bob", explore=0.3)
    ]
    assert 0.1 < float(np.mean(explored)) < 0.55


def test_similar_users_share_likes(session: Session) -> None:
    """Of bob's three liked items ann likes two and has six; who skipped them is not similar, nor is bob to himself."""
    found = _recommender(session).similar_users("bob")
    assert [(user.user, user.shared) for user in found] == [("ann", 2)]
    assert found[0].similarity == pytest.approx(2 / np.sqrt(3 * 6))


def test_other_distances_are_averaged(session: Session) -> None:
    """By L2 over a halfvec column the taste is the weighed mean."""
    found = _recommender(session, column=Track.flat, half_life=None).recommend_for("bob", tastes=1, limit=5)
    mean = VECTORS[[0, 4, 2]].mean(axis=0)
    distances = np.linalg.norm(VECTORS - mean, axis=1)
    expected = [int(n) for n in np.argsort(distances) if n not in {0, 4, 2}][:5]
    assert [match.record.id for match in found] == expected
    assert found[0].score == pytest.approx(-(distances[expected[0]] ** 2), rel=0.01)


@pytest.mark.parametrize(
    ("error", "ask"),
    [
        (InvalidInputError, lambda r: r.recommend_for(None)),
        (InvalidInputError, lambda r: r.recommend_for("a\0b")),
        (InvalidInputError, lambda r: r.recommend_next([])),
        (InvalidInputError, lambda r: r.more_like([])),
        (InvalidInputError, lambda r: r.more_like([None])),
        (InvalidOptionError, lambda r: r.recommend_for("ann", tastes=0)),
        (InvalidOptionError, lambda r: r.recommend_for("ann", limit=0)),
        (InvalidOptionError, lambda r: r.recommend_for("ann", explore=2)),
        (InvalidOptionError, lambda r: r.recommend_for("ann", diversity=-1)),
        (InvalidOptionError, lambda r: r.recommend_for("ann", avoid=float("inf"))),
        (InvalidOptionError, lambda r: r.similar_users("ann", limit=0)),
        (InvalidOptionError, lambda _: Recommender(_BIND, Track, Play, column="embedding", half_life="soon")),
        (InvalidOptionError, lambda _: Recommender(_BIND, Track, Play, column="embedding", weights={"skip": "x"})),
        (InvalidOptionError, lambda _: Recommender(_BIND, Track, Play, column="embedding", label=Play.kind)),
        (MappingError, lambda _: Recommender(_BIND, Track, Track, column="embedding")),
        (MappingError, lambda _: Recommender(_BIND, Track, Play, column="signs")),
        (PgvecError, lambda _: Play.rated("ann", 1, 9)),
        (PgvecError, lambda _: Play.listened("ann", 1, seconds=1, length=0)),
    ],
)
def test_what_cannot_be_used_is_refused(error: type[PgvecError], ask: Any) -> None:
    """It is named, before anything is asked of a database."""
    with pytest.raises(error):
        ask(Recommender(_BIND, Track, Play, column=Track.embedding))


_BIND = sa.create_engine("postgresql+psycopg://nowhere.invalid/none")


def test_a_class_without_items_is_refused() -> None:
    """The message says what to write."""
    with pytest.raises(MappingError, match="item_model = Track"):
        type("Wrong", (InteractionMixin, Base), {"__tablename__": "wrong"})


async def test_the_asynchronous_twin_agrees(session: Session, database_url: str) -> None:
    """Both have the same methods with the same signatures and words, and give the same answers, also at the same time."""
    methods = [name for name, _ in inspect.getmembers(Recommender, inspect.isfunction) if name[0] != "_"]
    for name in methods:
        one, other = getattr(Recommender, name), getattr(AsyncRecommender, name)
        assert (inspect.signature(one), one.__doc__) == (inspect.signature(other), other.__doc__)
    engine = create_async_engine(sqlalchemy_url(database_url))
    recommender, twin = _recommender(session), AsyncRecommender(engine, Track, Play, column=Track.embedding)
    first, second = await asyncio.gather(twin.recommend_for("ann"), twin.more_like([2]))
    assert [match.record.id for match in first] == [match.record.id for match in recommender.recommend_for("ann")]
    assert [match.record.id for match in second] == [match.record.id for match in recommender.more_like([2])]
    assert await twin.similar_users("bob") == recommender.similar_users("bob")
    assert len(await twin.recommend_next([1])) == 10
    await engine.dispose()


def _cosine(one: Any, other: Any) -> float:
    return float(one @ other / np.linalg.norm(one) / np.linalg.norm(other))


def _alike(records: list[Any]) -> float:
    found = [VECTORS[record.id] for record in records]
    return float(np.mean([_cosine(one, other) for n, one in enumerate(found) for other in found[:n]]))
