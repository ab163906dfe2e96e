"""Judgements: what a person says of an account, a ring, a link, an identifier or a record. It outranks every run.

A judgement stands until it is withdrawn, over re-runs and re-loads: it is an act, signed with who, in what role, when
and why. One that limits an account on the whole platform needs a second person where the policy says so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Final

from graph.changes import PARCEL, PICTURE, STRIKABLE, Removals
from graph.errors import BadInput, Forbidden, NotFound
from graph.schema import BY_NAME
from graph.store import Store
from integrity.acts import Act, Actor, Book, Draft, Request, fingerprint
from integrity.columns import rows_of
from integrity.texts import ERASED, forgotten

MADE, SECONDED, WITHDRAWN = "judgement.made", "judgement.seconded", "judgement.withdrawn"
UPHELD_APPEAL = "appeal.upheld"
PEOPLE: Final = frozenset({"investigator", "senior_investigator"})
MAX_REASON: Final = 2_000


class Target(StrEnum):
    """What a judgement is about."""

    ACCOUNT = "account"
    RING = "ring"
    LINK = "link"
    IDENTIFIER = "identifier"
    RECORD = "record"


class Said(StrEnum):
    """What is said of it."""

    HONEST = "honest"
    """Account: nothing limits it."""
    ABUSIVE = "abusive"
    """Account: limited on the platform, or at the stores named."""
    NOT_A_RING = "not_a_ring"
    """Ring: its accounts don't act together; it limits nobody."""
    NOT_THEIRS = "not_theirs"
    """Link: the identifier is not this account's."""
    PUBLIC = "public"
    """Identifier: a café's device, a station's door: it links nobody."""
    STRUCK = "struck"
    """Record: it counts for nothing."""


SAYABLE: Final[Mapping[Target, tuple[Said, ...]]] = {
    Target.ACCOUNT: (Said.HONEST, Said.ABUSIVE),
    Target.RING: (Said.NOT_A_RING,),
    Target.LINK: (Said.NOT_THEIRS,),
    Target.IDENTIFIER: (Said.PUBLIC,),
    Target.RECORD: (Said.STRUCK,),
}


@dataclass(frozen=True)
class About:
    """What is judged, and how. `id` the account, the ring, the identifier's row id, or the record's id; `buyer_id` for
    a link; `table` for a record; `store_ids` where an abusive account is to be limited (empty: everywhere)."""

    target: Target
    id: str
    said: Said
    buyer_id: str = ""
    table: str = ""
    store_ids: tuple[str, ...] = ()

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What two judgements share that are about the same."""
        return (self.target.value, self.table, self.buyer_id, self.id)

    @property
    def platform_wide(self) -> bool:
        """Whether it limits somebody everywhere."""
        return self.said is Said.ABUSIVE and not self.store_ids

    def to_json(self) -> dict[str, Any]:
        """Plain values, for acts."""
        return {
            "target": self.target.value,
            "id": self.id,
            "said": self.said.value,
            "buyer_id": self.buyer_id,
            "table": self.table,
            "store_ids": list(self.store_ids),
        }

    @staticmethod
    def from_json(told: Mapping[str, Any]) -> About:
        """What `to_json` wrote."""
        return About(
            Target(told["target"]),
            told["id"],
            Said(told["said"]),
            told["buyer_id"],
            told["table"],
            tuple(told["store_ids"]),
        )


@dataclass(frozen=True)
class Judgement:
    """A judgement as it stands: `state` is proposed (waits for a second person), standing or withdrawn. `members` are
    those of a ring when it was judged; `appeal_id` where an appeal brought it."""

    judgement_id: str
    about: About
    reason: str
    at: int
    by: str
    role: str
    state: str
    members: tuple[str, ...] = ()
    second: str = ""
    withdrawn_by: str = ""
    withdrawn_at: int | None = None
    withdrawn_why: str = ""
    appeal_id: str = ""


@dataclass
class JudgementFold:
    """All judgements by id, in the order made."""

    all: dict[str, Judgement] = field(default_factory=dict)

    def apply(self, act: Act) -> None:
        """Take up what was judged, seconded and withdrawn, and what upheld appeals brought."""
        if act.kind == MADE:
            self._make(act, act.body, 0)
        elif act.kind == UPHELD_APPEAL:
            for number, told in enumerate(act.body["judgements"], 1):
                self._make(act, told, number)
        elif act.kind == SECONDED:
            known = self.all[act.subject]
            self.all[act.subject] = replace(known, state="standing", second=act.by)
        elif act.kind == WITHDRAWN:
            known = self.all[act.subject]
            self.all[act.subject] = replace(
                known, state="withdrawn", withdrawn_by=act.by, withdrawn_at=act.at, withdrawn_why=act.body["reason"]
            )
        elif act.kind == ERASED:
            self.all = forgotten(self.all, frozenset(act.body["texts"]))

    def _make(self, act: Act, told: Mapping[str, Any], number: int) -> None:
        name = f"j-{act.n}" + (f"-{number}" if number else "")
        self.all[name] = Judgement(
            name,
            About.from_json(told["about"]),
            told["reason"],
            act.at,
            act.by,
            act.role,
            "proposed" if told["needs_second"] else "standing",
            tuple(told["members"]),
            appeal_id=act.subject if number else "",
        )

    def of(self, about: About) -> Judgement | None:
        """The judgement, standing or proposed, on the same matter."""
        for one in self.all.values():
            if one.state != "withdrawn" and one.about.key == about.key:
                return one
        return None

    @property
    def standing(self) -> list[Judgement]:
        """What holds, in the order made."""
        return [one for one in self.all.values() if one.state == "standing"]


@dataclass(frozen=True)
class Outranking:
    """What standing judgements make of a run. `removals` from the snapshot; `accounts` by buyer; `not_rings` the member
    sets of groups that are no rings; `ids` of the judgements."""

    removals: Removals
    accounts: Mapping[str, Judgement]
    not_rings: tuple[tuple[str, frozenset[str]], ...]
    ids: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.ids)

    @property
    def digest(self) -> str:
        """Empty where nothing stands, else a fingerprint of all that does."""
        if not self:
            return ""
        return fingerprint(
            [
                sorted(self.removals.identifiers),
                sorted(map(list, self.removals.links)),
                sorted(map(list, self.removals.records)),
                [[buyer, one.judgement_id, one.about.to_json()] for buyer, one in sorted(self.accounts.items())],
                [[ring, sorted(members)] for ring, members in self.not_rings],
            ]
        )


NOTHING: Final = Outranking(Removals(), {}, (), ())


def outranking(fold: JudgementFold) -> Outranking:
    """What the standing judgements make of a run."""
    identifiers, links, records = set(), set(), set()
    accounts: dict[str, Judgement] = {}
    not_rings = []
    for one in fold.standing:
        about = one.about
        match about.target:
            case Target.IDENTIFIER:
                identifiers.add(about.id)
            case Target.LINK:
                links.add((about.buyer_id, about.id))
            case Target.RECORD:
                records.add((about.table, about.id))
            case Target.ACCOUNT:
                accounts[about.id] = one
            case Target.RING:
                not_rings.append((about.id, frozenset(one.members)))
    removals = Removals(frozenset(identifiers), frozenset(links), frozenset(records))
    return Outranking(removals, accounts, tuple(not_rings), tuple(one.judgement_id for one in fold.standing))


class JudgementDesk:
    """Makes, seconds and withdraws judgements. `two_people` says whether platform-wide limits need a second person."""

    def __init__(self, store: Store, book: Book, fold: JudgementFold, two_people: Callable[[], bool]) -> None:
        self._store, self._book, self._fold, self._two_people = store, book, fold, two_people

    def make(self, about: About, reason: str, *, by: Actor, now: int, key: str = "") -> Judgement:
        """Judge. Raises `Forbidden`, `NotFound` for what nobody has heard of, `BadInput` for what cannot be said of it,
        or where a judgement on the same matter stands: that one must be withdrawn first."""
        _allowed(by, reason)

        def draft() -> Draft:
            return Draft(MADE, about.id, self.told(about, reason))

        done = self._book.append(draft, by=by, now=now, request=Request(key, [about.to_json(), reason]))
        return self._fold.all[f"j-{done.act.n}"]

    def about(self, judgement_ids: Sequence[str]) -> list[About]:
        """What these judgements are about, and say of it."""
        return [self._fold.all[id_].about for id_ in judgement_ids]

    def told(self, about: About, reason: str) -> dict[str, Any]:
        """The body of the act that would judge; raises as `make` does."""
        if about.said not in SAYABLE[about.target]:
            raise BadInput(
                f"{about.said.value!r} cannot be said of a {about.target.value}",
                where=about.id,
                do=f"say {' or '.join(SAYABLE[about.target])}",
            )
        standing = self._fold.of(about)
        if standing is not None:
            raise BadInput(
                f"{standing.judgement_id} says {standing.about.said.value!r} of it since {standing.by} judged",
                where=about.id,
                do=f"withdraw {standing.judgement_id} first" if standing.about != about else "nothing needs to be done",
            )
        return {
            "about": about.to_json(),
            "reason": reason,
            "members": self._known(about),
            "needs_second": about.platform_wide and self._two_people(),
        }

    def second(self, judgement_id: str, *, by: Actor, now: int, key: str = "") -> Judgement:
        """A second person agrees. Raises `NotFound`, `Forbidden` for the first person, `BadInput` where it waits for
        nobody."""
        _allowed(by, "agreed")

        def draft() -> Draft:
            known = self._one(judgement_id)
            if known.state != "proposed":
                raise BadInput(f"is {known.state}", where=judgement_id, do="it needs no second person")
            if known.by == by.name:
                raise Forbidden("the second person must be another", where=judgement_id, do="ask a colleague")
            return Draft(SECONDED, judgement_id, {})

        self._book.append(draft, by=by, now=now, request=Request(key, judgement_id))
        return self._fold.all[judgement_id]

    def withdraw(self, judgement_id: str, reason: str, *, by: Actor, now: int, key: str = "") -> Judgement:
        """Take a judgement back: by whoever made it, or a senior investigator. Raises as `second` does."""
        _allowed(by, reason)

        def draft() -> Draft:
            known = self._one(judgement_id)
            if known.state == "withdrawn":
                raise BadInput(
                    f"was withdrawn by {known.withdrawn_by}", where=judgement_id, do="nothing needs to be done"
                )
            if by.name != known.by and by.role != "senior_investigator":
                raise Forbidden(
                    f"{known.by} made it", where=judgement_id, do="ask that person or a senior investigator"
                )
            return Draft(WITHDRAWN, judgement_id, {"reason": reason})

        self._book.append(draft, by=by, now=now, request=Request(key, [judgement_id, reason]))
        return self._fold.all[judgement_id]

    def _one(self, judgement_id: str) -> Judgement:
        known = self._fold.all.get(judgement_id)
        if known is None:
            raise NotFound(f"no judgement {judgement_id!r}", do="see the list of judgements")
        return known

    def _known(self, about: About) -> list[str]:
        """Members of the ring judged; raises `NotFound` where the store has not heard of what is judged."""
        match about.target:
            case Target.ACCOUNT:
                self._need("orders", "buyer_id", about.id, "account")
            case Target.RING:
                return self._ring(about.id)
            case Target.LINK:
                self._need("orders", "buyer_id", about.buyer_id, "account")
                self._identifier(about.id)
            case Target.IDENTIFIER:
                self._identifier(about.id)
            case Target.RECORD:
                if about.table not in STRIKABLE:
                    raise BadInput(
                        f"records of {about.table!r} cannot be struck",
                        where=about.id,
                        do=f"name one of {', '.join(STRIKABLE)}",
                    )
                self._need(about.table, BY_NAME[about.table].id, about.id, f"record in {about.table}")
        return []

    def _identifier(self, id_: str) -> None:
        kind, _, value = id_.partition(":")
        if kind == PICTURE:
            if len(value) != 16 or set(value) - set("0123456789abcdef"):
                raise BadInput("is no picture's hash", where=id_, do="write picture: and 16 hex digits")
            return
        if kind == PARCEL and not value:
            raise BadInput("is no identifier", where=id_, do="write it as the account's page shows it")
        self._need("identifiers", "id", id_, "identifier")

    def _ring(self, ring_id: str) -> list[str]:
        run = self._store.head().run
        rows = rows_of(self._store.run_rows(run, "run_rings", columns=("ring_id", "members"))) if run else []
        for row in rows:
            if row["ring_id"] == ring_id:
                members: list[str] = row["members"]
                return members
        raise NotFound(f"no ring {ring_id!r} in the published run", do="`ringfence show` lists the rings")

    def _need(self, table: str, column: str, value: str, what: str) -> None:
        load = self._store.head().load
        found = load and self._store.find(table, column, [value], columns=(column,), limit=1, known_by=load).num_rows
        if not found:
            raise NotFound(f"no {what} {value!r}", do="check the id")


def _allowed(by: Actor, reason: str) -> None:
    if by.role not in PEOPLE:
        raise Forbidden(f"the role {by.role} makes no judgements", where="judgement", do="ask an investigator")
    if not reason.strip() or len(reason) > MAX_REASON:
        raise BadInput("a judgement needs its reason", where="judgement", do=f"say why in 1 to {MAX_REASON} characters")


def listed(fold: JudgementFold, *, state: str = "", target: str = "") -> Sequence[Judgement]:
    """Judgements of a state and about a kind of target (empty: all), newest first."""
    chosen = [one for one in fold.all.values() if state in ("", one.state) and target in ("", one.about.target.value)]
    return chosen[::-1]
