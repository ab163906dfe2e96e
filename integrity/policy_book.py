"""Published policies: which one is in force, which were before, who published them and why.

A publication is an act in the book of acts, so it can't be taken back unseen. Publishing decides the findings of the
run that readers see anew by the new policy, in a run of its own, and switches to that run under the run lease right
after the act is written: whoever reads sees the old run with the old policy or the new run with the new one, never a
mixture. A policy that would break what must hold (the share of limited accounts and the invariants, by the policy in
force and by itself) is refused unless it is forced with a reason, which is recorded. Rolling back publishes an earlier
policy once more. Where the policy in force wants two people (`people.two_for_policies`), the first one's publication is
a proposal, and another person's publication of the same puts it in force; any publication ends the proposals before it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from graph.errors import BadInput, NotFound, RunHeld, StoreProblem
from graph.leases import held
from graph.store import RunRecord, Store
from integrity.acts import Act, Actor, Book, Draft
from integrity.affairs import cited
from integrity.invariants import RunFacts, apart_from_allowed, broken, facts_in
from integrity.invariants import facts_of as facts_of_run
from integrity.policy import Policy, default_policy, default_text, validate_policy
from integrity.policy_journal import policy_of, remember_policy
from integrity.publication import RUN_LEASE, drop_old_runs, find_run
from integrity.runs import Detect, Ground, RunOutcome, compute, ground_of, run_detection
from integrity.words import Fact, facts_of, texts_of

PUBLISHED, PROPOSED = "policy.published", "policy.proposed"
_TRIES = 5
_SHORTEST_DIGEST = 6


@dataclass(frozen=True)
class PublishedPolicy:
    """One publication. `n` is its act's number; `limited` of `accounts` is what it was found to lead to on run `tried`
    (None: no run was there); `broke` says what it was forced past (`broke_facts`: as facts); `back` that it was a
    rollback; `proposed_by` who proposed it first, where two people were needed. A proposal has the same form."""

    n: int
    version: str
    digest: str
    at: int
    by: str
    reason: str
    forced: bool
    broke: tuple[str, ...]
    back: bool
    tried: str | None
    limited: int
    accounts: int
    document: str = field(repr=False)
    text: str = field(repr=False)
    proposed_by: str = ""
    broke_facts: tuple[str, ...] = ()

    @property
    def policy(self) -> Policy:
        """The policy itself. Raises `BadInput` where this version of Ringfence does not understand it."""
        return validate_policy(json.loads(self.document), where=f"published policy {self.version}")


@dataclass
class _Publications:
    """The fold: all publications, oldest first; and by digest what was proposed since the last one."""

    all: list[PublishedPolicy] = field(default_factory=list)
    proposed: dict[str, PublishedPolicy] = field(default_factory=dict)

    def apply(self, act: Act) -> None:
        """Take up one act."""
        if act.kind in (PUBLISHED, PROPOSED):
            told = {**act.body, **{name: tuple(act.body.get(name, ())) for name in ("broke", "broke_facts")}}
            made = PublishedPolicy(n=act.n, digest=act.subject, at=act.at, by=act.by, **told)
            if act.kind == PROPOSED:
                self.proposed.setdefault(act.subject, made)
            else:
                self.all.append(made)
                self.proposed.clear()


class PolicyBook:
    """The published policies of one store, read on from where the last look ended."""

    def __init__(self, store: Store, *, signing_key: str = "") -> None:
        self.store, self._fold = store, _Publications()
        self.acts = Book(store, [self._fold], signing_key, words=False)

    def published(self) -> list[PublishedPolicy]:
        """All publications, oldest first; the last one is in force."""
        self.acts.refresh()
        return list(self._fold.all)

    def in_force(self) -> PublishedPolicy | None:
        """What was published last; None before any."""
        return next(reversed(self.published()), None)

    def proposed(self) -> list[PublishedPolicy]:
        """What waits for a second person, oldest first."""
        self.acts.refresh()
        return list(self._fold.proposed.values())

    def find(self, name: str | None) -> tuple[Policy, str]:
        """A policy that was in force, and its text as written ("" where only a run knows it): the latest of that
        version or digest (its first digits do) that was published, else that a run was decided by; for None the one
        before the policy in force. Raises `NotFound`."""
        every = self.published()
        if name is None:
            return self._before(every)
        for one in reversed(every):
            if one.version == name or (len(name) >= _SHORTEST_DIGEST and one.digest.startswith(name)):
                return one.policy, one.text
        used = {run.policy_digest: run for run in self.store.runs()}
        for digest, run in sorted(used.items(), key=lambda pair: pair[1].started_at, reverse=True):
            if run.policy == name or (len(name) >= _SHORTEST_DIGEST and digest.startswith(name)):
                policy = policy_of(self.store, run)
                if policy is not None:
                    return policy, _text(policy)
        raise NotFound(f"no policy {name!r} was in force", where=self.store.url, do="`ringfence policy list`")

    def _before(self, every: Sequence[PublishedPolicy]) -> tuple[Policy, str]:
        earlier = [one for one in every if one.digest != every[-1].digest]
        if earlier:
            return earlier[-1].policy, earlier[-1].text
        first = next((one for one in every if one.tried is not None), None)  # what readers saw until the first one
        runs = [run for run in self.store.runs() if first is not None and run.run_id == first.tried]
        policy = policy_of(self.store, runs[0]) if runs else None
        if policy is None or policy.digest == every[-1].digest:
            raise NotFound("no policy was in force before", where=self.store.url, do="`ringfence policy list`")
        return policy, _text(policy)

    def append(
        self, policy: Policy, by: Actor, now: int, body: dict[str, Any], *, kind: str = PUBLISHED
    ) -> PublishedPolicy:
        """Write the act. Raises `BadInput` where the policy is in force already, or its version names another one."""

        def draft() -> Draft:
            every = self._fold.all
            if every and every[-1].digest == policy.digest:
                raise BadInput("is in force already", where=f"policy {policy.version}", do="change it, or leave it")
            if kind == PROPOSED and policy.digest in self._fold.proposed:
                raise BadInput("was proposed just now", where=f"policy {policy.version}", do="publish it once more")
            if any(one.version == policy.version and one.digest != policy.digest for one in every):
                raise BadInput(
                    "was published with other contents before",
                    where=f"policy {policy.version}",
                    do="give it a version of its own",
                )
            document = {"version": policy.version, "document": policy.canonical}
            return Draft(kind, policy.digest, {**document, **body})

        act = self.acts.append(draft, by=by, now=now).act
        return next(one for one in (*self._fold.proposed.values(), *reversed(self._fold.all)) if one.n == act.n)


@dataclass(frozen=True)
class PolicyOutcome:
    """A publication, and the run that readers see since (None where there was none to decide anew); or a proposal,
    which `waits` for a second person and changes nothing yet."""

    published: PublishedPolicy
    run: RunOutcome | None
    waits: bool = False


def publish_policy(
    book: PolicyBook,
    policy: Policy,
    *,
    by: Actor,
    now: Callable[[], int],
    holder: str,
    reason: str = "",
    force: bool = False,
    text: str = "",
    back: bool = False,
    wait: float = 0.0,
    detect: Detect | None = None,
    acted_at: int | None = None,
) -> PolicyOutcome:
    """Put `policy` in force, and readers on the published run decided by it.

    Where the policy in force wants two people, the first one proposes it so, and another's publication does it.
    `text` is its file as written, kept to be shown; `detect` (default: the pipeline) is called only where the
    policy's detection settings are not the run's; `acted_at` is the instant of the act where old data is tried (UTC
    microseconds; None: the clock's). Raises `RunHeld` where it would break what must hold and is not forced,
    `BadInput` where it is forced without a reason, in force already, or named as another one; `LeaseHeld`."""
    if force and not reason.strip():
        raise BadInput("a policy is forced with a reason", where="--force", do="say why with --reason")
    store = book.store

    def at() -> int:
        return now() if acted_at is None else acted_at

    for _ in range(_TRIES):  # again where another run was published meanwhile
        two, first = _proposal(book, policy)
        if first is not None and first.by == by.name:
            return PolicyOutcome(first, None, waits=True)
        waits = two and first is None
        base = find_run(store, None) if store.head().run is not None else None
        body: dict[str, Any] = {"reason": reason.strip(), "forced": False, "broke": [], "back": back, "text": text}
        body |= {"tried": None, "limited": 0, "accounts": 0}
        outcome: RunOutcome | None = None
        if base is not None:
            ground = ground_of(store, base.run_id, as_of=base.as_of, known_by=base.known_by, acts=None)
            from integrity.stored import handed_on  # it reads in detection, which whoever only asks does not need

            again = handed_on(store, base, ground, policy_of(store, base), detect=detect)
            facts, told = _told(store, base, ground, policy, again, book.in_force())
            body |= {"tried": base.run_id, "limited": facts.limited, "accounts": facts.accounts}
            body |= {"forced": bool(told), "broke": texts_of(told), "broke_facts": facts_of(told)}
            if told and not force:
                raise RunHeld(
                    "; ".join(texts_of(told)),
                    where=f"policy {policy.version}",
                    do="publish it all the same with --force and a --reason, which is recorded",
                )
            if not waits:
                outcome = _decided(store, base, policy, again, now, holder, wait)
        if waits:
            return PolicyOutcome(book.append(policy, by, at(), body, kind=PROPOSED), None, waits=True)
        with held(store, RUN_LEASE, holder, wait=wait) as lease:
            if store.head().run != (base.run_id if base is not None else None):
                continue
            remember_policy(store, policy, at=now())
            made = book.append(policy, by, at(), body | ({"proposed_by": first.by} if first is not None else {}))
            if outcome is not None:
                store.publish(lease, outcome.run.run_id, at=now())
                dropped = tuple(drop_old_runs(store, lease, policy, now=now(), cited=cited(store)))
                run = find_run(store, outcome.run.run_id)
                outcome = replace(outcome, run=run, state="published", dropped=dropped)
        return PolicyOutcome(made, outcome)
    raise StoreProblem("runs are published faster than a policy", where=store.url, do="try again")


def rollback_policy(book: PolicyBook, name: str | None = None, **more: Any) -> PolicyOutcome:
    """Put an earlier policy in force again: that of this version or digest, or the one before the policy in force.

    Takes what `publish_policy` takes. Raises `NotFound` besides."""
    policy, text = book.find(name)
    return publish_policy(book, policy, text=text, back=True, **more)


def _proposal(book: PolicyBook, policy: Policy) -> tuple[bool, PublishedPolicy | None]:
    """Whether the policy in force wants two people, and who proposed this one before."""
    standing = book.in_force()
    if standing is None or not standing.policy.people.two_for_policies:
        return False, None
    return True, next((one for one in book.proposed() if one.digest == policy.digest), None)


def _text(policy: Policy) -> str:
    """The text of a policy that was never published: known of the default one alone."""
    return default_text() if policy.digest == default_policy().digest else ""


def _told(
    store: Store, base: RunRecord, ground: Ground, policy: Policy, detect: Detect, current: PublishedPolicy | None
) -> tuple[RunFacts, list[Fact]]:
    """What the policy would break, by the guards in force and by its own: it can't loosen them for itself."""
    computed = compute(ground, policy, detect=detect)
    facts = facts_of_run(ground.snapshot, computed.findings, computed.decisions)
    before = facts_in(json.loads(base.stats))
    standing = current.policy if current is not None else policy_of(store, base) or policy
    most = min(standing.publication.max_limited_share, policy.publication.max_limited_share)
    publication = standing.publication.model_copy(update={"max_limited_share": most})
    guards = (standing.model_copy(update={"publication": publication}), policy)
    seen: dict[object, Fact] = {}
    for guard in guards:
        for sentence in broken(facts, before, guard):
            seen.setdefault(apart_from_allowed(sentence), sentence)
    return facts, list(seen.values())


def _decided(
    store: Store,
    base: RunRecord,
    policy: Policy,
    detect: Detect,
    now: Callable[[], int],
    holder: str,
    wait: float,
) -> RunOutcome:
    """What the run saw, decided by the policy, in a run that nobody sees yet; all acts done since count."""
    return run_detection(
        store,
        policy=policy,
        now=now,
        holder=holder,
        as_of=base.as_of,
        known_by=base.known_by,
        publish=False,
        wait=wait,
        detect=detect,
    )
