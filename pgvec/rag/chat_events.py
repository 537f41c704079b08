"""Events of a streamed chat completion, read strictly: the client's own reader takes a stream that broke off for a whole one."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from pgvec.errors import ChatResponseError

__all__ = ["events", "text_of"]

_DONE = b"[DONE]"
_FIELD = b"data:"
_OTHER_FIELDS = (b"event:", b"id:", b"retry:")


def events(pieces: Iterable[bytes]) -> Iterator[Any]:
    """Yield the values of server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html).

    A server that does not stream sends one JSON object instead, which becomes one event.

    Raises:
        ChatResponseError: Something else comes.
    """
    data: list[bytes] = []
    lines = _lines(pieces)
    for line in lines:
        if line.startswith(_FIELD):
            data.append(line[len(_FIELD) :].strip())
        elif not line and data:
            value, data = b"\n".join(data), []
            if value == _DONE:
                return
            yield _value(value)
        elif line and not line.startswith((b":", *_OTHER_FIELDS)):
            yield _value(b"\n".join((line, *lines)))
    if data and data != [_DONE]:
        yield _value(b"\n".join(data))


def _lines(pieces: Iterable[bytes]) -> Iterator[bytes]:
    rest = b""
    for piece in pieces:
        *whole, rest = (rest + piece).split(b"\n")
        yield from (line.rstrip(b"\r") for line in whole)
    if rest:
        yield rest


def _value(data: bytes) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as exc:
        raise ChatResponseError(f"The model answered with something that is not JSON: {data[:80]!r}") from exc


def text_of(event: Any) -> tuple[str, str | None]:
    """Return the text of an event, and the reason to finish that it tells.

    Raises:
        ChatResponseError: It is no part of an answer, or tells of an error.
    """
    if not isinstance(event, dict):
        raise ChatResponseError(f"An event of the answer is no object: {event!r:.80}")
    if error := event.get("error"):
        message = error.get("message") if isinstance(error, dict) else error
        raise ChatResponseError(f"The model reports an error: {str(message)[:300]}")
    choices = event.get("choices")
    if not isinstance(choices, list):
        raise ChatResponseError(f"An event of the answer has no choices: {json.dumps(event)[:80]}")
    if not choices:  # the counts of tokens come so
        return "", None
    choice = choices[0]
    part = (choice.get("delta") or choice.get("message") or {}) if isinstance(choice, dict) else None
    text = part.get("content") if isinstance(part, dict) else 0
    reason = choice.get("finish_reason") if isinstance(choice, dict) else None
    if not isinstance(text, str | None) or not isinstance(reason, str | None):
        raise ChatResponseError(f"An event of the answer holds no text: {json.dumps(event)[:80]}")
    return text or "", reason
