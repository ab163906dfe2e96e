"""What a driver's error means to a person, and what to do about it.

The driver's own text may repeat values, so only its code is shown."""

from __future__ import annotations

import ssl
from collections.abc import Iterator

from neo4j import exceptions as failures

from graph.errors import StoreProblem

RESTART = "free some space if the server's disk is full, restart the server, and run the command again"
_STUCK = ("TransactionLogError", "TransactionStartFailed", "DatabaseUnavailable", "ConstraintCreationFailed")
"""What a server says that could not write: most often its disk is full."""
_ENDED = ("TransactionTimedOut", "LockClientStopped", "Transaction.Terminated")
"""What it says of a transaction whose time was over, at work or waiting for another."""


def problem(error: Exception, where: str) -> StoreProblem:
    """The error as the one that is told."""
    code = str(getattr(error, "code", "") or "")
    if isinstance(error, failures.AuthError) or "Security" in code:
        if "Forbidden" in code:
            return StoreProblem("the user may not do this", where=where, do="see docs/neo4j.md for the rights it needs")
        return StoreProblem("the server refuses user or password", where=where, do="check both")
    if isinstance(error, failures.IncompleteCommit):
        return StoreProblem(
            "the connection was lost while a change was being confirmed", where=where, do="run the command again"
        )
    if "DatabaseNotFound" in code:
        return StoreProblem("the server has no database of that name", where=where, do="create it, or name another")
    if "ReadOnly" in code or "AccessMode" in code or "ForbiddenOnReadOnlyDatabase" in code:
        return StoreProblem("the database is read-only", where=where, do="open it for writing and try again")
    if "MemoryPoolOutOfMemory" in code or "OutOfMemory" in code or "TransactionMemory" in code:
        return StoreProblem("the server's transaction memory is used up", where=where, do="give it more, and try again")
    if any(name in code for name in _ENDED):
        return StoreProblem("the server ended a change that took too long", where=where, do=_LATE)
    if any(name in code for name in _STUCK):
        return StoreProblem(f"the server can't write ({code})", where=where, do=RESTART)
    if isinstance(error, failures.ServiceUnavailable | failures.SessionExpired | failures.ConfigurationError):
        return _unencrypted(error, where) or away(where)
    if isinstance(error, failures.ConnectionAcquisitionTimeoutError):
        return away(where)
    return StoreProblem(f"the server reports {code or type(error).__name__}", where=where, do="see the server's log")


def away(where: str) -> StoreProblem:
    """Nobody answers there."""
    return StoreProblem(
        "the server does not answer",
        where=where,
        do="check that it runs, the host and port, and whether it wants an encrypted connection",
    )


_LATE = "see SHOW TRANSACTIONS for one that holds others up, and the server's log and free space; then run it again"


def late(what: str, seconds: float, where: str, *, do: str = _LATE) -> StoreProblem:
    """The server answers others, and has not done this in so many seconds."""
    return StoreProblem(f"the server did not {what} within {seconds:.0f} s", where=where, do=do)


def _unencrypted(error: BaseException, where: str) -> StoreProblem | None:
    """Why no encrypted connection came about, where that is what failed."""
    for cause in _causes(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return StoreProblem(
                f"the server's certificate is not trusted ({cause.verify_message})",
                where=where,
                do="name the file of the authority that signed it in RINGFENCE_NEO4J_CA, or use the scheme neo4j+ssc",
            )
        if isinstance(cause, ssl.SSLError):
            return StoreProblem(
                f"no encrypted connection could be made ({cause.reason or 'refused'})",
                where=where,
                do="use the scheme neo4j where the server is not set up for encryption",
            )
    return None


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__
