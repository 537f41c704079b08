"""A rerank endpoint on a real socket, which fails in every way that is asked for."""

from __future__ import annotations

import json
from typing import Any

from support.model_server import FAULTS as EMBEDDING_FAULTS
from support.model_server import Handler, ModelServer

__all__ = ["FAULTS", "RerankServer", "word_score"]


def word_score(query: str, text: str) -> float:
    """The share of the words of a text that are words of the query."""
    words = text.lower().split()
    return sum(word in query.lower().split() for word in words) / len(words)


class RerankServer(ModelServer):
    """Answers on ``url`` with the scores of :func:`word_score`; ``asked`` holds the fields of each request."""

    form = "results"
    """``results``, ``data`` or ``list``: how the answer is laid out."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        super().__init__(_RerankHandler)
        self.faults = FAULTS

    @property
    def url(self) -> str:
        """Address to give to a reranker."""
        return f"{super().url}/rerank"


class _RerankHandler(Handler):
    server_owner: RerankServer
    query: str

    def do_POST(self) -> None:  # noqa: N802 - as the library calls it
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        owner, self.query = self.server_owner, asked["query"]
        texts = asked.get("documents") or asked["texts"]
        owner.asked.append(asked)
        owner.requests.append(texts)
        owner.seen_headers.append({name.lower(): value for name, value in self.headers.items()})
        fault = owner.fault_for(texts)
        if fault is None:
            self._answer(self._body(texts))
        else:
            owner.faults[fault](self, texts)

    def scores(self, texts: list[str]) -> list[dict[str, Any]]:
        """One item for each text, the best first, as providers answer."""
        name = "score" if self.server_owner.form == "list" else "relevance_score"
        items = [{"index": n, name: word_score(self.query, text)} for n, text in enumerate(texts)]
        return sorted(items, key=lambda item: -item[name])

    def _body(self, texts: list[str]) -> bytes:
        return self._with(texts, lambda _: None)

    def _with(self, texts: list[str], change: Any) -> bytes:
        items = self.scores(texts)
        change(items)
        form = self.server_owner.form
        return json.dumps(items if form == "list" else {"id": "x", form: items}).encode()


def _changed(change: Any) -> Any:
    return lambda handler, texts: handler._answer(handler._with(texts, change))


def _twice(items: list[dict[str, Any]]) -> None:
    items[-1]["index"] = items[0]["index"]


_SAME = (
    "429 with Retry-After",
    "429 without",
    "500",
    "503",
    "hang",
    "slow drip",
    "half a body",
    "reset",
    "empty body",
    "a page of HTML",
    "400",
    "401",
    "404",
)
FAULTS: dict[str, Any] = {
    **{name: EMBEDDING_FAULTS[name] for name in _SAME},
    "too few": _changed(lambda items: items.pop()),
    "too many": _changed(lambda items: items.append(items[0] | {"index": len(items)})),
    "the same place twice": _changed(_twice),
    "an index out of range": _changed(lambda items: items[-1].update(index=-1)),
    "NaN": _changed(lambda items: items[-1].update(relevance_score=float("nan"))),
    "infinite": _changed(lambda items: items[-1].update(relevance_score=float("inf"))),
    "beyond all bounds": _changed(lambda items: items[-1].update(relevance_score=10**400)),
    "null": _changed(lambda items: items[-1].update(relevance_score=None)),
    "a number as text": _changed(lambda items: items[-1].update(relevance_score="1")),
    "true": _changed(lambda items: items[-1].update(relevance_score=True)),
    "no list": lambda handler, _: handler._answer({"results": {"0": 1}}),
    "a redirect": lambda handler, _: handler._fail(307, location="http://127.0.0.1:9/elsewhere"),
    "far too long": lambda handler, _: handler._answer(b"[" * 400_000),
}
"""How to fail, by name: functions of a request's handler and its texts."""
