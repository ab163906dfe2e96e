"""A policy tried before it is published: on a run's findings, on past orders, on all earlier runs.

Each takes seconds to minutes, so a mutation begins it and answers with an id, and `policyTrial` tells how far it is
and what came of it: the same as the command of that name prints.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum
from typing import Annotated, Any

import strawberry

from api.context import Context, Info
from api.describe import choice, mutation, resolver
from api.domains.common import After, First, check_id, page_rows
from api.domains.policy_book import PolicyDifference, PolicyText, difference_of, parsed
from api.domains.policy_cost import AccountMove, PolicyCost, PolicyJudgement, cost_of, judgement_of, move_of
from api.errors import ApiError, ErrorCode
from api.pages import DEFAULT_PAGE, Connection
from api.scalars import Instant, instant
from api.trials import Trial, Tried
from graph.store import Store
from integrity.backtest import backtest, simulate_policy
from integrity.instants import from_iso
from integrity.policy import Policy
from integrity.trial import try_policy

Of = Annotated[
    strawberry.ID | None, strawberry.argument(description="The run it is tried on; the published one without it.")
]


@strawberry.enum(description="How a policy is tried.")
class TrialKind(Enum):
    """The three trials."""

    TRY = choice("try", "A run's findings decided by it.")
    SIMULATE = choice("simulate", "Orders after a run put through its limits, beside those of the run's own policy.")
    BACKTEST = choice("backtest", "All earlier runs decided by it, each with what was known then.")


@strawberry.enum(description="How far a trial is.")
class TrialState(Enum):
    """States of a trial."""

    RUNNING = choice("running", "Under way; ask again.")
    DONE = choice("done", "Ended; see what came of it.")
    FAILED = choice("failed", "Ended without an answer; see `problem`.")


@strawberry.type(description="What a policy makes of one run's findings. Nothing is written.")
class PolicyTried:
    """As `ringfence policy try` tells."""

    run_id: strawberry.ID = strawberry.field(description="The run.")
    accounts: int = strawberry.field(description="Accounts of the run.")
    limited: int = strawberry.field(description="Accounts that the policy would limit.")
    share: float = strawberry.field(description="Their share.")
    held: bool = strawberry.field(description="Whether that is more than the policy allows.")
    moves: strawberry.Private[list[Mapping[str, str]]]

    @resolver("Accounts that the policy would treat otherwise.")
    def changes(self, info: Info, first: First = DEFAULT_PAGE, after: After = None) -> Connection[AccountMove]:
        """A page of changes."""
        return _moves(info.context, f"tried on {self.run_id}", self.moves, first, after)


@strawberry.type(description="Two policies on one run, and on the orders after it.")
class PolicySimulation:
    """As `ringfence policy simulate` tells."""

    run_id: strawberry.ID = strawberry.field(description="The run.")
    after: Instant = strawberry.field(description="Orders after this instant were put through both.")
    until: Instant = strawberry.field(description="And up to this one.")
    orders: int = strawberry.field(description="How many orders these are.")
    difference: PolicyDifference = strawberry.field(description="In what the two policies differ.")
    now: PolicyJudgement = strawberry.field(description="The run's own policy.")
    then: PolicyJudgement = strawberry.field(description="The one that is tried.")
    moves: strawberry.Private[list[Mapping[str, str]]]

    @resolver("Accounts that the tried policy would treat otherwise.")
    def changes(self, info: Info, first: First = DEFAULT_PAGE, after: After = None) -> Connection[AccountMove]:
        """A page of changes."""
        return _moves(info.context, f"simulated on {self.run_id}", self.moves, first, after)


@strawberry.type(description="A policy over earlier runs, the oldest first, each over the orders up to the next.")
class PolicyBacktest:
    """As `ringfence policy backtest` tells."""

    judgements: list[PolicyJudgement] = strawberry.field(description="One a run.")
    total: PolicyCost = strawberry.field(description="What all of it would have cost.")


@strawberry.type(description="A trial of a policy, kept by the server that was asked until it has done many others.")
class PolicyTrial:
    """As in api.trials.Trial."""

    id: strawberry.ID = strawberry.field(description="Ask for it by this.")
    kind: TrialKind = strawberry.field(description="How the policy is tried.")
    state: TrialState = strawberry.field(description="How far it is.")
    version: str = strawberry.field(description="The policy's version.")
    digest: str = strawberry.field(description="SHA-256 of the policy.")
    by: str = strawberry.field(description="Who asked for it.")
    started_at: Instant = strawberry.field(description="Since when.")
    finished_at: Instant | None = strawberry.field(description="Until when; null while it is under way.")
    problem: str | None = strawberry.field(description="Why there is no answer.")
    code: ErrorCode | None = strawberry.field(description="The code of that problem.")
    tried: PolicyTried | None = strawberry.field(description="The answer of `tryPolicy`.")
    simulated: PolicySimulation | None = strawberry.field(description="The answer of `simulatePolicy`.")
    backtested: PolicyBacktest | None = strawberry.field(description="The answer of `backtestPolicy`.")


def _moves(
    context: Context, name: str, moves: list[Mapping[str, str]], first: int, after: str | None
) -> Connection[AccountMove]:
    rows = sorted(({"id": one["buyer_id"], "one": one} for one in moves), key=lambda row: str(row["id"]))
    cut, page = page_rows(context, name, rows, "id", first=first, after=after)
    for row in cut:
        context.saw("account", row["id"])
    return page.of([move_of(row["one"]) for row in cut])


def _trial(one: Trial) -> PolicyTrial:
    found = one.found
    state = TrialState.RUNNING if one.finished_at is None else TrialState.FAILED if found is None else TrialState.DONE
    return PolicyTrial(
        id=strawberry.ID(one.id),
        kind=TrialKind(one.how),
        state=state,
        version=one.policy.version,
        digest=one.policy.digest,
        by=one.by,
        started_at=Instant(one.started_at),
        finished_at=instant(one.finished_at),
        problem=one.problem or None,
        code=one.code,
        tried=_tried(found.told) if found is not None and one.how == "try" else None,
        simulated=_simulated(found) if found is not None and one.how == "simulate" else None,
        backtested=_backtested(found.told) if found is not None and one.how == "backtest" else None,
    )


def _tried(told: Mapping[str, Any]) -> PolicyTried:
    rest = {name: told[name] for name in ("accounts", "limited", "share", "held")}
    return PolicyTried(run_id=strawberry.ID(told["run_id"]), moves=list(told["changes"]), **rest)


def _simulated(found: Tried) -> PolicySimulation:
    told, words = found.told, found.words
    assert words is not None  # a simulation comes with them
    window = told["window"]
    start, end = (Instant(from_iso(window[name], where="window")) for name in ("after", "until"))
    return PolicySimulation(
        run_id=strawberry.ID(told["run_id"]),
        after=start,
        until=end,
        orders=window["orders"],
        difference=difference_of(words),
        now=judgement_of(told["run_id"], told["now"], told["now"]["cost"], start, end),
        then=judgement_of(told["run_id"], told["then"], told["then"]["cost"], start, end),
        moves=list(told["changes"]),
    )


def _backtested(told: Mapping[str, Any]) -> PolicyBacktest:
    judgements = [
        judgement_of(
            one["run_id"], one, cost, *(Instant(from_iso(cost[name], where="window")) for name in ("after", "until"))
        )
        for one, cost in zip(told["judgements"], told["costs"], strict=True)
    ]
    return PolicyBacktest(judgements=judgements, total=cost_of(told["total"]))


def _begun(context: Context, kind: TrialKind, policy: Policy, work: Callable[[Store], Tried]) -> PolicyTrial:
    store = context.state.store
    trial = context.state.trials.start(kind.value, policy, context.token.subject, lambda: work(store))
    context.saw("policy trial", trial.id)
    context.saw("policy", policy.digest)
    return _trial(trial)


@strawberry.type
class PolicyTrialQuery:
    """Root fields that tell of trials."""

    @resolver("A trial of a policy as it stands: under way, or what came of it.")
    def policy_trial(
        self,
        info: Info,
        id_: Annotated[strawberry.ID, strawberry.argument(name="id", description="As the mutation answered.")],
    ) -> PolicyTrial:
        """A trial."""
        context = info.context
        found = context.state.trials.get(check_id(id_, "a trial's id"))
        context.saw("policy trial", found.id)
        return _trial(found)


@strawberry.type
class PolicyTrialMutation:
    """Root fields that begin trials. One is under way at a time on a server."""

    @mutation("Decide a run's findings by another policy: what would change, and for whom. Nothing is written.")
    def try_policy(self, info: Info, text: PolicyText, run_id: Of = None) -> PolicyTrial:
        """A trial, under way."""
        policy, of = parsed(text, "policy"), _run(run_id)
        return _begun(
            info.context, TrialKind.TRY, policy, lambda store: Tried(try_policy(store, policy, run_id=of).to_json())
        )

    @mutation(
        "Put the orders after a run through the limits of a policy and of the run's own: what would change, for whom, "
        "at what cost. Nothing is written."
    )
    def simulate_policy(
        self,
        info: Info,
        text: PolicyText,
        run_id: Of = None,
        since: Annotated[
            Instant | None, strawberry.argument(description="Orders after this instant; the run's `asOf` without it.")
        ] = None,
        until: Annotated[
            Instant | None, strawberry.argument(description="Orders up to this instant; all without it.")
        ] = None,
    ) -> PolicyTrial:
        """A trial, under way."""
        policy, of = parsed(text, "policy"), _run(run_id)

        def work(store: Store) -> Tried:
            found = simulate_policy(store, policy, run_id=of, start=since, end=until)
            return Tried(found.to_json(), found.words)

        return _begun(info.context, TrialKind.SIMULATE, policy, work)

    @mutation("Put a policy on earlier runs, each with what was known then, and count what it would have cost.")
    def backtest_policy(
        self,
        info: Info,
        text: PolicyText,
        runs: Annotated[
            int | None, strawberry.argument(description="So many of the latest published runs; all without it.")
        ] = None,
    ) -> PolicyTrial:
        """A trial, under way."""
        policy = parsed(text, "policy")
        if runs is not None and runs < 1:
            raise ApiError(ErrorCode.BAD_INPUT, f"{runs} runs: ask for one or more")
        return _begun(
            info.context, TrialKind.BACKTEST, policy, lambda store: Tried(backtest(store, policy, runs=runs).to_json())
        )


def _run(run_id: strawberry.ID | None) -> str | None:
    return None if run_id is None else check_id(run_id, "a run's id")
