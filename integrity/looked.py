"""Who looked at what: lines of the store's journal `audit`, in one form for the API and for commands.

Nothing is done to anybody by looking, so these are no acts; an act seals them (`integrity.seals`).
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

from graph.store import Store
from integrity.seals import JOURNAL


@dataclass(frozen=True)
class Looker:
    """Who looks: the person or service, its role, and the id of the token that it shows (`command`: none)."""

    name: str
    role: str
    token: str = "command"


def note_looked(
    store: Store, looker: Looker, seen: Iterable[tuple[str, str]], *, via: Iterable[str], at: int, request: str
) -> None:
    """Write that `looker` was shown each (kind, id) of `seen` by the fields or commands `via`; `request` is an id of
    its own for all of it, `at` in UTC microseconds. Raises `StoreProblem`."""
    who = {"who": looker.name, "role": looker.role, "token": looker.token, "via": sorted(via)}
    rows = [
        {
            "at": at,
            "id": f"{request}:{number}",
            "body": json.dumps({**who, "kind": kind, "what": what}, ensure_ascii=False),
        }
        for number, (kind, what) in enumerate(sorted(set(seen)))
    ]
    if rows:
        store.note(JOURNAL, rows)
