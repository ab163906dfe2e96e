"""What a store is entitled to now, by its experience score and the policy's stages.

Pure: the policy, the score and the instant are arguments. A store without a score gets the stated list for unknown
scores; a band whose first stage lies ahead, or whose last has ended, gives nothing and says since or until when.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date

from integrity.instants import from_iso, to_iso
from integrity.policy import Policy
from integrity.policy_stages import Band, stages_of
from integrity.words import Fact, fact


@dataclass(frozen=True)
class NextBand:
    """The next higher band: the score it begins at, since when it holds (None: from the beginning), and what it would
    give beyond what the store has."""

    at_least: float
    since: int | None
    gained: tuple[str, ...]


@dataclass(frozen=True)
class StoreEntitlements:
    """What a store may use. `at_least` is the band's lowest score, None where the score is unknown; `since` and
    `until` (UTC microseconds) bound the stage, None where it has no bound; `why` is said in a
    sentence."""

    score: float | None
    at_least: float | None
    entitlements: tuple[str, ...]
    since: int | None
    until: int | None
    next_band: NextBand | None
    why: Fact


def entitlements(policy: Policy, store_score: float | None, now: int) -> StoreEntitlements:
    """What a store of this score (0 to 5; None or NaN where unknown) may use at `now`, UTC microseconds."""
    stages = policy.stages
    if store_score is None or math.isnan(store_score):
        return StoreEntitlements(None, None, stages.unknown_score, None, None, None, fact("entitled_unknown"))
    heights = sorted({band.at_least for band in stages.bands}, reverse=True)
    # a score below 0 is none of a store's; it falls in the lowest band rather than in none
    at_least = next((height for height in heights if store_score >= height), heights[-1])
    band, since, until = _stage(stages_of(stages.bands, at_least), now)
    given = () if band is None else band.entitlements
    higher = [height for height in heights if height > at_least]
    above = _next(stages_of(stages.bands, higher[-1]), given, now) if higher else None
    say = "entitled"
    begins: dict[str, str] = {}
    if band is None:
        say, begins = ("entitled_later", {"at": to_iso(until)}) if until is not None else ("entitled_ended", {})
    why = fact(say, score=store_score, bound=at_least, **begins)
    return StoreEntitlements(store_score, at_least, given, since, until, above, why)


def _stage(stages: list[Band], now: int) -> tuple[Band | None, int | None, int | None]:
    """The stage that holds at `now`, and its bounds; where none does, when the present state began and ends."""
    ended: int | None = None
    for number, band in enumerate(stages):
        begins = _instant(band.since)
        following = stages[number + 1].since if number + 1 < len(stages) else None
        ends = _instant(band.until if band.until is not None else following)
        if begins is not None and now < begins:
            return None, ended, begins
        if ends is None or now < ends:
            return band, begins, ends
        ended = ends
    return None, ended, None


def _next(stages: list[Band], given: tuple[str, ...], now: int) -> NextBand:
    band, since, until = _stage(stages, now)
    if band is None and until is not None:  # its first stage lies ahead: what that one will give
        band = next(one for one in stages if _instant(one.since) == until)
        since = until
    more = () if band is None else tuple(one for one in band.entitlements if one not in given)
    return NextBand(stages[0].at_least, since, more)


def _instant(day: date | None) -> int | None:
    return None if day is None else from_iso(day.isoformat(), where="policy")
