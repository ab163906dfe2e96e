"""Work on policies that takes longer than an answer may: done beside the requests, and asked for by its id.

One piece of work is under way at a time, replays included: a second one would take what answers need. The last few
are kept in this server's memory and end with it; nothing is written to the store.
"""

from __future__ import annotations

import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import structlog

from api.errors import ApiError, ErrorCode, told_of
from graph.errors import RingfenceError
from integrity.policy import Policy
from integrity.policy_diff import PolicyDiff

KEPT: Final = 16
log = structlog.get_logger("ringfence.api")


@dataclass(frozen=True)
class Tried:
    """What came of a piece of work: plain values as the command prints them under `--json`, and for a simulation in
    what the policies differ."""

    told: Mapping[str, Any]
    words: PolicyDiff | None = None


@dataclass(frozen=True)
class Trial:
    """A piece of work: `how` is try, simulate or backtest, `policy` what is tried. Until `finished_at` (UTC
    microseconds) it is under way; then it has either `found`, or `problem` and its code."""

    id: str
    how: str
    policy: Policy
    by: str
    started_at: int
    finished_at: int | None = None
    found: Tried | None = None
    problem: str = ""
    code: ErrorCode | None = None


class Trials:
    """The trials of one server. `working` is held while one is under way. May be used from several threads."""

    def __init__(self, working: threading.Lock, clock: Callable[[], int]) -> None:
        self._working, self._clock = working, clock
        self._known: OrderedDict[str, Trial] = OrderedDict()

    def start(self, how: str, policy: Policy, by: str, work: Callable[[], Tried]) -> Trial:
        """Begin `work`. `ApiError` STORE_UNAVAILABLE where something is under way already."""
        if not self._working.acquire(blocking=False):
            raise ApiError(
                ErrorCode.STORE_UNAVAILABLE, "another replay or trial is under way; ask again when it has ended"
            )
        trial = Trial(f"trial-{secrets.token_hex(6)}", how, policy, by, self._clock())
        self._known[trial.id] = trial
        while len(self._known) > KEPT:
            self._known.popitem(last=False)
        threading.Thread(target=self._run, args=(trial, work), name=trial.id, daemon=True).start()
        return trial

    def get(self, id_: str) -> Trial:
        """The trial as it stands; `ApiError` NOT_FOUND."""
        if (found := self._known.get(id_)) is None:
            raise ApiError(
                ErrorCode.NOT_FOUND, f"no trial {id_!r} on this server, which keeps the last {KEPT}; start it again"
            )
        return found

    def _run(self, trial: Trial, work: Callable[[], Tried]) -> None:
        try:
            done = replace(trial, found=work())
        except RingfenceError as error:
            code, problem = told_of(error)
            done = replace(trial, code=code, problem=problem)
        except Exception as error:  # it must be told as ended whatever happened
            log.exception("a trial failed", trial=trial.id)
            done = replace(trial, code=ErrorCode.INTERNAL, problem=f"a defect: {type(error).__name__}")
        finally:
            self._working.release()
        self._known[trial.id] = replace(done, finished_at=self._clock())
