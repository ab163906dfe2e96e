"""The errors a client can see: each has a code from `ErrorCode` under `extensions.code`, and a sentence for a person.

Whatever is not one of these is a defect: it is logged with a correlation id, and the client is told only that id.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from enum import Enum
from typing import Any

import strawberry
import structlog
from graphql import GraphQLError

from api.describe import choice
from graph.errors import BadInput, Forbidden, LeaseHeld, NotFound, RingfenceError, RunHeld, StoreProblem, Tampered

log = structlog.get_logger("ringfence.api")


@strawberry.enum(description="Why a request or a field failed; stands in an error's `extensions.code`.")
class ErrorCode(Enum):
    """Codes of `extensions.code`, with the sentence that documents each."""

    BAD_REQUEST = choice("BAD_REQUEST", "The HTTP request is no GraphQL request.")
    BAD_QUERY = choice("BAD_QUERY", "The query does not parse or does not fit the schema.")
    BAD_INPUT = choice("BAD_INPUT", "An argument's value makes no sense.")
    CONFLICT = choice("CONFLICT", "The order id is reserved already, with another content.")
    BAD_CURSOR = choice("BAD_CURSOR", "`after` is no cursor of this list in this order; start without it.")
    TOO_EXPENSIVE = choice("TOO_EXPENSIVE", "The query passes a limit: size, depth, aliases, cost, page or batch.")
    UNAUTHENTICATED = choice("UNAUTHENTICATED", "No bearer token, or one that is invalid, expired or revoked.")
    FORBIDDEN = choice("FORBIDDEN", "The token's role may not ask this.")
    NOT_FOUND = choice("NOT_FOUND", "Something the arguments refer to does not exist.")
    NO_RUN = choice("NO_RUN", "No run has been published yet.")
    NO_KEY = choice("NO_KEY", "The server holds no pseudonymisation key, so raw identifiers can't be looked up.")
    AUDIT_UNAVAILABLE = choice("AUDIT_UNAVAILABLE", "The look-up could not be recorded, so its answer is withheld.")
    STORE_UNAVAILABLE = choice("STORE_UNAVAILABLE", "The store cannot be read or written now; try again.")
    TAMPERED = choice("TAMPERED", "The book of acts was changed from outside; nothing can be done or read of it now.")
    RUN_HELD = choice("RUN_HELD", "The run would limit more accounts than the policy allows; a person must look.")
    INTERNAL = choice("INTERNAL", "A defect; the message names the correlation id that the log explains.")


class ApiError(GraphQLError):
    """A typed error: a sentence and a code. `status` is the HTTP status where it ends the whole request."""

    def __init__(self, code: ErrorCode, message: str, *, status: int = 400) -> None:
        super().__init__(message, extensions={"code": code.value})
        self.code, self.status = code, status


_KNOWN: tuple[tuple[type[RingfenceError], ErrorCode], ...] = (
    (BadInput, ErrorCode.BAD_INPUT),
    (NotFound, ErrorCode.NOT_FOUND),
    (Forbidden, ErrorCode.FORBIDDEN),
    (Tampered, ErrorCode.TAMPERED),
    (RunHeld, ErrorCode.RUN_HELD),
    (LeaseHeld, ErrorCode.STORE_UNAVAILABLE),
    (StoreProblem, ErrorCode.STORE_UNAVAILABLE),
)


def formatted(error: GraphQLError) -> dict[str, Any]:
    """The error as JSON with a code; unexpected ones are logged and reduced to a correlation id."""
    shown = error.formatted
    extensions = shown.get("extensions") or {}
    if "code" in extensions:
        return dict(shown)
    code, message = _classify(error)
    return {**shown, "message": message, "extensions": {**extensions, "code": code.value}}


def _classify(error: GraphQLError) -> tuple[ErrorCode, str]:
    cause = error.original_error
    if isinstance(cause, RingfenceError) and any(isinstance(cause, kind) for kind, _ in _KNOWN):
        return told_of(cause)
    if cause is None or isinstance(cause, GraphQLError):
        return ErrorCode.BAD_QUERY, error.message
    return ErrorCode.INTERNAL, internal(cause, path=error.path)


def told_of(cause: RingfenceError) -> tuple[ErrorCode, str]:
    """Code and sentence of an error for a client; a store's address or a file's path helps operators, not clients."""
    code = next((code for kind, code in _KNOWN if isinstance(cause, kind)), ErrorCode.INTERNAL)
    return code, "; ".join(part for part in (cause.what, cause.do) if part)


def internal(cause: BaseException, *, path: Sequence[str | int] | None = None) -> str:
    """Log a defect under a new correlation id; the message for the client, which names only that id.

    The exception's text may quote a query or a value, so the log gets its type and where it was raised."""
    correlation = secrets.token_hex(8)
    log.error("internal error", correlation=correlation, type=type(cause).__name__, at=_raised_at(cause), path=path)
    return f"internal error; quote correlation id {correlation}"


def _raised_at(cause: BaseException) -> list[str]:
    frames: list[str] = []
    trace = cause.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        frames.append(f"{code.co_qualname}:{trace.tb_lineno}")
        trace = trace.tb_next
    return frames[-6:]
