"""Who looked at whom: lines of the store's journal `audit`.

An investigator's, auditor's or store's look-ups are written before the answer is sent, one line a person or record;
where that fails the answer is withheld. The order service asks thousands of times a second and must not wait for a
disk: its look-ups are gathered and written every half second, one line a token with the buyers asked about and how
often. A crash loses at most that half second, and a shop goes on selling when the journal cannot be written; both are
stated in the guide. Identifiers stand in the journal by pseudonym.
"""

from __future__ import annotations

import json
import secrets
import threading
from collections import Counter
from collections.abc import Callable, Iterable

import structlog

from api.errors import ApiError, ErrorCode
from api.tokens import Token
from graph.errors import RingfenceError
from graph.store import Store
from integrity.looked import Looker, note_looked
from integrity.seals import JOURNAL

_MOST_PENDING = 200_000
"""Buyers gathered at most while the journal can't be written; beyond that look-ups are counted, not named."""

log = structlog.get_logger("ringfence.audit")


class AuditLog:
    """Writes audit lines. `now` gives UTC microseconds."""

    def __init__(self, store: Store, *, now: Callable[[], int]) -> None:
        self._store, self._now = store, now
        self._lock = threading.Lock()
        self._pending: dict[tuple[str, str], Counter[str]] = {}
        self._waiting = 0
        self._unnamed = 0

    def record(self, token: Token, request: str, seen: Iterable[tuple[str, str]], asked: Iterable[str]) -> None:
        """Write, before returning, that `token` was shown each (kind, id) of `seen`, by the root fields `asked`.

        Raises `ApiError` AUDIT_UNAVAILABLE where the journal can't be written."""
        looker = Looker(token.subject, token.role.value, token.jti)
        try:
            note_looked(self._store, looker, seen, via=asked, at=self._now(), request=request)
        except RingfenceError as error:
            log.error("audit line not written; answer withheld", error=str(error))
            raise ApiError(
                ErrorCode.AUDIT_UNAVAILABLE, "the look-up could not be recorded, so it is not answered", status=503
            ) from error

    def count(self, token: Token, buyer_id: str) -> None:
        """Remember that the order service asked about a buyer; `flush` writes it."""
        with self._lock:
            counter = self._pending.setdefault((token.subject, token.jti), Counter())
            if self._waiting >= _MOST_PENDING and buyer_id not in counter:
                self._unnamed += 1
                return
            self._waiting += buyer_id not in counter
            counter[buyer_id] += 1

    def flush(self) -> None:
        """Write what the order service asked since the last time; kept for the next time where that fails."""
        with self._lock:
            pending, unnamed = self._pending, self._unnamed
            self._pending, self._waiting, self._unnamed = {}, 0, 0
        if not pending:
            return
        at, batch = self._now(), secrets.token_hex(8)
        rows = []
        for number, ((subject, jti), counter) in enumerate(sorted(pending.items())):
            body = {"who": subject, "role": "order_service", "token": jti, "via": ["purchaseLimit"], "kind": "account"}
            body_text = json.dumps({**body, "what": dict(sorted(counter.items())), "unnamed": unnamed})
            rows.append({"at": at, "id": f"{batch}:{number}", "body": body_text})
        try:
            self._store.note(JOURNAL, rows)
        except RingfenceError as error:
            log.error("audit lines not written; kept for the next try", error=str(error))
            with self._lock:
                for key, counter in pending.items():
                    self._pending.setdefault(key, Counter()).update(counter)
                self._waiting = sum(len(counter) for counter in self._pending.values())
                self._unnamed += unnamed
