"""The errors that Ringfence tells a person about: what is wrong, where, and what to do.

Every error that can reach a user derives from `RingfenceError`; the command line turns it into one line and the
exit code named here, the API into a typed error. Anything else that escapes is a defect.
"""

from __future__ import annotations


class RingfenceError(Exception):
    """An error with a cause a person can act on.

    Parameters: `what` is wrong, `where` it was found (a file and line, a setting, a store), what to `do` about it.
    """

    exit_code = 1
    code = "ERROR"

    def __init__(self, what: str, *, where: str = "", do: str = "") -> None:
        self.what, self.where, self.do = what, where, do
        super().__init__(": ".join(part for part in (where, what) if part) + (f"; {do}" if do else ""))


class BadInput(RingfenceError):
    """A file or folder that is refused whole, or a mapping or policy that does not hold."""

    exit_code = 3
    code = "BAD_INPUT"


class LeaseHeld(RingfenceError):
    """Another process holds the lease that this work needs."""

    exit_code = 4
    code = "LEASE_HELD"


class LeaseLost(RingfenceError):
    """The lease expired and another took over: this writer's fencing number is too old, nothing more was written."""

    exit_code = 4
    code = "LEASE_LOST"


class KeyProblem(RingfenceError):
    """`RINGFENCE_KEY` or `RINGFENCE_TOKEN_KEY` is missing, too short, or not the one that the store was made with."""

    exit_code = 5
    code = "KEY_PROBLEM"


class StoreProblem(RingfenceError):
    """The store cannot be opened or written: missing, read-only, full, damaged, or of a newer version."""

    exit_code = 6
    code = "STORE_PROBLEM"


class RunHeld(RingfenceError):
    """The run or the policy breaks what must hold before readers see it, and waits for a person."""

    exit_code = 7
    code = "RUN_HELD"


class NotFound(RingfenceError):
    """No account, ring, run or record of that id."""

    exit_code = 8
    code = "NOT_FOUND"


class Tampered(RingfenceError):
    """What is recorded was changed from outside: an act was changed, left out, put in or signed with another key, or a
    run's rows are not what its recorded ground gives."""

    exit_code = 9
    code = "TAMPERED"


class Forbidden(RingfenceError):
    """Whoever asks may not do this."""

    exit_code = 10
    code = "FORBIDDEN"
