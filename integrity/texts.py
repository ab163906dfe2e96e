"""What people wrote about somebody, kept apart from the book of acts.

An act of a kind in `PLACES` holds, where a person wrote freely, only `{"text": DIGEST}`; salt and text stand in a
journal of their own (`graph.texts`). So a text can be erased for good while the chain of acts stays as it was signed.
Acts of before hold their texts themselves: when one of them is to go, the act is written anew without it, and the act
that says so vouches for what is left (`integrity.forgetting`, ADR 17).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any, Final, TypeVar

from graph.store import Store
from graph.texts import TEXTS, text_digest

T = TypeVar("T")

ERASED: Final = "texts.erased"
"""The act that says which texts were erased: `texts`, their keys; `acts`, number to digest of acts of before that were
written anew without them. Its subject is the buyer."""
GONE: Final = "(erased)"
"""What is shown in place of a text that is not kept any more."""
CHANGED: Final = "(not as it was written)"
"""What is shown in place of a text that does not fit its digest."""
UNREAD: Final = "(not read)"

PLACES: Final[Mapping[str, tuple[str, ...]]] = {
    "complaint.filed": ("complaints.*.note", "complaints.*.evidence"),
    "complaint.verdict": ("reason",),
    "judgement.made": ("reason",),
    "judgement.withdrawn": ("reason",),
    "appeal.opened": ("text",),
    "appeal.upheld": ("reason", "judgements.*.reason"),
    "appeal.rejected": ("reason",),
    "appeal.withdrawn": ("reason",),
    "case.noted": ("text",),
    "case.decided": ("reason",),
    "case.closed": ("reason",),
}
"""Where people write freely about somebody, by kind of act; `*` is each one of a list."""
APART: Final = frozenset({"appeal.opened", "case.noted"})
"""Kinds whose text is shown on request only, and never held in memory."""
_FORMER: Final = {"appeal.opened": "text_digest", "case.noted": "digest"}
"""Where acts of before have the digest of a text that is kept apart."""
SALTED: Final = "salted:"
"""How the fingerprint of a request begins that has such a text in it; its salt stands in the journal under it."""


class Words(str):
    """A text that a person wrote; `key` is what it is erased by, "" for what is no such text."""

    __slots__ = ("key",)
    key: str

    def __new__(cls, text: str, key: str = "") -> Words:
        """The text under its key."""
        made = super().__new__(cls, text)
        made.key = key
        return made


@dataclass(frozen=True)
class Place:
    """One text of an act: `path` to it in the body, its `key`, and the `text` where the act itself holds it."""

    path: tuple[str | int, ...]
    key: str
    text: str | list[str] | None


def places(n: int, kind: str, body: Mapping[str, Any]) -> Iterator[Place]:
    """The texts of act `n`; places left empty are passed over."""
    for name in PLACES.get(kind, ()):
        for path, value in _found(body, name.split("."), ()):
            if isinstance(value, dict):
                yield Place(path, value["text"], None)
            elif value:
                yield Place(path, former_key(n, path), value)
    if kind in _FORMER and _FORMER[kind] in body:
        yield Place((_FORMER[kind],), body[_FORMER[kind]], None)


def former_key(n: int, path: tuple[str | int, ...]) -> str:
    """The key of a text that act `n` of before holds itself."""
    return f"{n}/{'.'.join(map(str, path))}"


def words_key(body: Mapping[str, Any]) -> str:
    """The digest of the text of an act of a kind in `APART`."""
    given = body.get("text", body.get("text_digest", body.get("digest")))
    key: str = given["text"] if isinstance(given, dict) else given
    return key


def put_away(kind: str, body: Mapping[str, Any], salt: Callable[[str], str]) -> tuple[Any, dict[str, dict[str, Any]]]:
    """The body with digests in place of its texts, and the rows to keep, by digest. `salt` gives the salt of a text."""
    kept: dict[str, dict[str, Any]] = {}
    put = _copied(body)
    for place in places(0, kind, body):
        if place.text is not None:
            grain = salt(repr(place.text))
            digest = text_digest(grain, place.text)
            kept[digest] = {"salt": grain, "text": place.text}
            _put(put, place.path, {"text": digest})
    return put, kept


def filled(n: int, kind: str, body: Mapping[str, Any], texts: Mapping[str, Mapping[str, Any]] | None) -> Any:
    """The body with its texts as `Words` in their places; `texts` are rows by digest (None: nobody asked for them).

    What is not kept any more, or is not as it was written, reads as that."""
    if kind in APART or kind not in PLACES:
        return body
    told = _copied(body)
    for place in places(n, kind, body):
        many = place.path[-1] == "evidence"
        text: str | list[str]
        if place.text is not None:
            text = place.text
        elif texts is None:
            text = UNREAD
        elif place.key not in texts:
            text = GONE
        else:
            row = texts[place.key]
            text = row["text"] if text_digest(row["salt"], row["text"]) == place.key else CHANGED
        listed = [text] if many and isinstance(text, str) else text
        shown = Words(listed, place.key) if isinstance(listed, str) else [Words(one, place.key) for one in listed]
        _put(told, place.path, shown)
    return told


def taken_out(n: int, kind: str, body: Mapping[str, Any], keys: Collection[str]) -> Any:
    """The body of an act of before without those of its own texts that have these keys."""
    left = _copied(body)
    for place in places(n, kind, body):
        if place.text is not None and place.key in keys:
            _put(left, place.path, {"text": place.key})
    return left


def texts_of(store: Store, digests: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Rows of the journal of texts by digest: `salt`, `text`. What is not there is left out."""
    if not digests:
        return {}
    rows = store.noted(TEXTS, digests).select(["id", "body"]).to_pylist()
    return {row["id"]: json.loads(row["body"]) for row in rows}


def forgotten(value: T, keys: Collection[str]) -> T:
    """The value (dataclasses, tuples, dicts of them) with `GONE` in place of every text of these keys."""
    changed: Any
    match value:
        case Words():
            changed = Words(GONE, value.key) if value.key in keys else value
        case tuple():
            changed = tuple(forgotten(one, keys) for one in value)
        case dict():
            changed = {name: forgotten(one, keys) for name, one in value.items()}
        case _ if is_dataclass(value) and not isinstance(value, type):
            held = {one.name: getattr(value, one.name) for one in fields(value)}
            new = {name: after for name, one in held.items() if (after := forgotten(one, keys)) != one}
            changed = replace(value, **new) if new else value
        case _:
            changed = value
    return changed  # type: ignore[no-any-return]  # each case keeps the type of its value


def _found(value: Any, names: list[str], path: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    """Paths and values of a dotted name."""
    if not names:
        yield path, value
    elif names[0] == "*":
        for number, one in enumerate(value):
            yield from _found(one, names[1:], (*path, number))
    elif isinstance(value, Mapping) and names[0] in value:
        yield from _found(value[names[0]], names[1:], (*path, names[0]))


def _copied(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _copied(one) for name, one in value.items()}
    return [_copied(one) for one in value] if isinstance(value, list | tuple) else value


def _put(value: Any, path: tuple[str | int, ...], put: object) -> None:
    for step in path[:-1]:
        value = value[step]
    value[path[-1]] = put
