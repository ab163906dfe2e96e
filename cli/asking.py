"""Asking the API in this process: no server and no token, and the answers are the API's own.

What is looked up is written to the audit journal, as it is for a server; the policy is the one that a server of the
store would have, with a deadline that a store read anew keeps.
"""

from __future__ import annotations

import asyncio
import getpass
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cli.common import now_us, opened, ruling_policy
from cli.serving import identifier_keyer
from cli.settings import AUDIT_KEY
from graph.errors import (
    BadInput,
    Forbidden,
    KeyProblem,
    NotFound,
    RingfenceError,
    RunHeld,
    StoreProblem,
    Tampered,
)

if TYPE_CHECKING:
    from api.context import Context
    from api.engine import Engine
    from integrity.policy import Policy

PATIENT_MS = 10_000
"""A command reads everything anew and has nobody waiting at a till."""

_HUMP = re.compile(r"(?<=[a-z])(?=[A-Z0-9])|(?<=[0-9])(?=[A-Z])")
_ERRORS: dict[str, type[RingfenceError]] = {
    "BAD_INPUT": BadInput,
    "BAD_QUERY": BadInput,
    "BAD_CURSOR": BadInput,
    "BAD_REQUEST": BadInput,
    "TOO_EXPENSIVE": BadInput,
    "CONFLICT": BadInput,
    "NOT_FOUND": NotFound,
    "NO_RUN": NotFound,
    "FORBIDDEN": Forbidden,
    "NO_KEY": KeyProblem,
    "RUN_HELD": RunHeld,
    "TAMPERED": Tampered,
    "STORE_UNAVAILABLE": StoreProblem,
    "AUDIT_UNAVAILABLE": StoreProblem,
}


class Asker:
    """Asks one operation after the other, as one person or service."""

    def __init__(self, engine: Engine, make: Any) -> None:
        self._engine, self._make = engine, make

    def answer(self, query: str, **variables: Any) -> dict[str, Any]:
        """The API's whole answer, errors of fields included. Raises what refuses the operation."""
        from api.errors import ApiError

        try:
            prepared = self._engine.prepare(query)
            operation = prepared.operation(None)
            context: Context = self._make()
            self._engine.check(operation, context.token, variables)
            loop = asyncio.new_event_loop()
            try:
                return self._engine.execute(prepared, operation, variables, context, loop)
            finally:
                loop.close()
        except ApiError as error:
            raise _ERRORS.get(error.code.value, RingfenceError)(error.message, where="the question") from None

    def data(self, query: str, **variables: Any) -> dict[str, Any]:
        """The data of an answer, under names as commands print them. Raises the first error as the commands do."""
        told = self.answer(query, **variables)
        for error in told.get("errors", ()):
            kind = _ERRORS.get(error["extensions"]["code"], RingfenceError)
            raise kind(error["message"], where=".".join(str(part) for part in error.get("path") or ()) or "the query")
        found: dict[str, Any] = snake(told["data"])
        return found


@contextmanager
def asking(
    url: str,
    namespace: str,
    policy: Path | None = None,
    *,
    by: str = "",
    role: str = "investigator",
    store_id: str | None = None,
    now: int | None = None,
) -> Iterator[Asker]:
    """The API over the command's store, asked as `by` (default: the user of this machine) in a role, at `now`."""
    with opened(url, namespace) as at:
        # the schema is read in where there is something to ask: other commands start without it
        from api.context import Context
        from api.engine import Engine
        from api.schema import core_schema
        from api.settings import ApiSettings
        from api.state import State
        from api.tokens import Role, Token

        token = Token(by or getpass.getuser(), Role(role), "command", 0, store_id)
        settings, keys = ApiSettings(), identifier_keyer(namespace, os.environ)
        state = State(
            at,
            patient(ruling_policy(policy, at)),
            now=now_us if now is None else lambda: now,
            clock=now_us,
            settings=settings,
            audit_key=os.environ.get(AUDIT_KEY, ""),
            ahead=False,
        )
        state.refresh(quiet=True)
        try:
            yield Asker(Engine(core_schema(), settings), lambda: Context(state, token, keyer=keys, start_run=None))
        finally:
            state.let_go()


def patient(policy: Policy) -> Policy:
    """The policy with a deadline at checkout that a command keeps."""
    return policy.model_copy(update={"checkout": policy.checkout.model_copy(update={"deadline_ms": PATIENT_MS})})


def snake(value: Any) -> Any:
    """An answer of the API under names as commands print them: `expires_at` for `expiresAt`."""
    if isinstance(value, dict):
        return {_HUMP.sub("_", name).lower(): snake(one) for name, one in value.items()}
    return [snake(one) for one in value] if isinstance(value, list) else value


def page(connection: dict[str, Any]) -> dict[str, Any]:
    """A page of a list: its items, how many there are in all, and where to go on (None: nowhere)."""
    on = connection["page_info"]
    return {
        "total": connection["total_count"],
        "next": on["end_cursor"] if on["has_next_page"] else None,
        "items": [edge["node"] for edge in connection["edges"]],
    }
