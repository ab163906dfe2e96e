"""Who may ask what: one table from root field to roles. What is not in the table is open to nobody.

Roles are checked on every field of an operation, fragments spread, before anything is executed: on its root fields by
`FIELD_ROLES`, and below by `NESTED_ROLES`, so that a field added to a type that a scheduler, the order service or a
store reaches leads nowhere until the table says so. Tests walk every path of the schema for every role.

An auditor reads what an investigator reads and changes nothing: no mutation may name the role.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from api.errors import ApiError, ErrorCode
from api.tokens import Role, Token

_READS = frozenset({Role.INVESTIGATOR, Role.SENIOR_INVESTIGATOR, Role.AUDITOR})
_RUNS = _READS | {Role.SCHEDULER}
_CHECKOUT = _READS | {Role.ORDER_SERVICE}
_OWN = frozenset({Role.STORE})
_PEOPLE = frozenset({Role.INVESTIGATOR, Role.SENIOR_INVESTIGATOR})
_SENIOR = frozenset({Role.SENIOR_INVESTIGATOR})
_ORDERS = frozenset({Role.ORDER_SERVICE})
_ANY = frozenset(Role)

FIELD_ROLES: dict[str, frozenset[Role]] = {
    "Query.account": _READS,
    "Query.accounts": _READS,
    "Query.ring": _READS,
    "Query.rings": _READS,
    "Query.run": _RUNS,
    "Query.runs": _RUNS,
    "Query.runDiff": _READS,
    "Query.store": _READS,
    "Query.order": _READS,
    "Query.refund": _READS,
    "Query.evidence": _READS,
    "Query.identifier": _READS,
    "Query.path": _READS,
    "Query.complaints": _READS,
    "Query.complaintCounts": _READS,
    "Query.storesInAccord": _READS,
    "Query.judgements": _READS,
    "Query.appeals": _READS,
    "Query.acts": _READS,
    "Query.checkActs": _READS,
    "Query.myComplaints": _OWN,
    "Query.myComplaintCounts": _OWN,
    "Query.caseQueue": _READS,
    "Query.cases": _READS,
    "Query.case": _READS,
    "Query.caseBundle": _READS,
    "Query.assessClaim": _READS,
    "Query.replayClaim": _READS,
    "Query.replayComplaint": _READS,
    "Query.replayDecision": _READS,
    "Query.policy": _READS,
    "Query.policies": _READS,
    "Query.proposedPolicies": _READS,
    "Query.checkPolicy": _READS,
    "Query.diffPolicies": _READS,
    "Query.policyTrial": _READS,
    "Query.shadowReport": _READS,
    "Query.returnRisk": _READS | _OWN,
    "Query.myStore": _OWN,
    "Query.myClaim": _OWN,
    "Query.purchaseLimit": _CHECKOUT,
    "Query.purchaseLimits": _CHECKOUT,
    "Mutation.startRun": frozenset({Role.SCHEDULER}),
    "Mutation.fileComplaint": _PEOPLE | _OWN,
    "Mutation.fileComplaints": _PEOPLE | _OWN,
    "Mutation.decideComplaint": _PEOPLE,
    "Mutation.judge": _PEOPLE,
    "Mutation.secondJudgement": _PEOPLE,
    "Mutation.withdrawJudgement": _PEOPLE,
    "Mutation.decideAnew": _PEOPLE,
    "Mutation.openAppeal": _PEOPLE,
    "Mutation.upholdAppeal": _PEOPLE,
    "Mutation.closeAppeal": _PEOPLE,
    "Mutation.openCase": _PEOPLE,
    "Mutation.assignCase": _PEOPLE,
    "Mutation.noteCase": _PEOPLE,
    "Mutation.decideCase": _PEOPLE,
    "Mutation.closeCase": _PEOPLE,
    "Mutation.publishRun": _SENIOR,
    "Mutation.rollbackRun": _SENIOR,
    "Mutation.publishPolicy": _SENIOR,
    "Mutation.rollbackPolicy": _SENIOR,
    "Mutation.tryPolicy": _SENIOR,
    "Mutation.simulatePolicy": _SENIOR,
    "Mutation.backtestPolicy": _SENIOR,
    "Mutation.shadowPolicy": _SENIOR,
    "Mutation.stopShadow": _SENIOR,
    "Mutation.reservePurchase": _ORDERS,
    "Mutation.confirmPurchase": _ORDERS,
    "Mutation.releasePurchase": _ORDERS,
    "Query.__schema": _ANY,
    "Query.__type": _ANY,
    "Query.__typename": _ANY,
    "Mutation.__typename": _ANY,
}
"""Root field to the roles that may ask it."""

_STATED: tuple[tuple[frozenset[Role], str], ...] = (
    (
        _READS,
        "Account AccountChange AccountMove Act ActsChecked Appeal Case CaseBundle CaseCandidate CaseEvent CaseFact "
        "CaseNote ClaimAssessment ClaimReplay Complaint ComplaintReplay ComplaintVerdict DecisionReplay Evidence "
        "ExcludedClaim Flip HealedAccount Hub Identifier IdentifierUser Judgement Limits Member Membership Order "
        "OrderGroup OrderItem OrderTally PastDecision Path PathStep PolicyBacktest PolicyChange PolicyChecked "
        "PolicyCost PolicyDifference PolicyDocument PolicyJudgement PolicySimulation PolicyTrial PolicyTried "
        "PublishedPolicy Refund Remedy ReplayedTable Ring RingChange RingId RingLineage RingMove RiskShare RunDiff "
        "ShadowedRun ShadowPolicy ShadowReport Store StoreRates StoresInAccord VerdictCount Weighed WeighedComplaint "
        "Words",
    ),
    (_SENIOR, "PolicyPublication"),
    (_PEOPLE, "Appeal.text"),
    (_RUNS, "Run StatusCount"),
    (frozenset({Role.SCHEDULER}), "RunAlreadyRunning RunStarted"),
    (_CHECKOUT, "PurchaseLimit"),
    (_ORDERS, "PurchaseReservation"),
    (_OWN, "MyClaim MyComplaint MyExcludedClaim MyRates MyRemedy MyStore"),
    (_READS | _OWN, "ComplaintCount FiledComplaint NextStoreBand Rates ReturnRisk StoreEntitlementList"),
    (_PEOPLE | _OWN, "FilingResult"),
    (_CHECKOUT | _OWN, "Money"),
    (_RUNS | _OWN, "PageInfo"),
)
NESTED_ROLES: dict[str, frozenset[Role]] = {name: roles for roles, names in _STATED for name in names.split()}
"""Object type, or one field of it where that is narrower, to the roles that may read it. Lists (`XConnection`, `XEdge`)
go with what they list."""

RESERVING = frozenset({"Mutation.reservePurchase", "Mutation.confirmPurchase", "Mutation.releasePurchase"})
"""What waits for a shared transaction rather than for a thread."""

STORE_SCOPED = RESERVING | {
    "Query.purchaseLimit",
    "Query.purchaseLimits",
    "Query.myStore",
    "Query.myClaim",
    "Query.returnRisk",
    "Query.myComplaints",
    "Query.myComplaintCounts",
    "Mutation.fileComplaint",
    "Mutation.fileComplaints",
}
"""What a token with a `store_id` claim may ask besides introspection, as far as its role goes, and for that store only:
their resolvers hold every record against the token's store."""


def row_of(field: str) -> str:
    """The row of `NESTED_ROLES` that holds for a field below the root, named `Type.field`: its own, its type's, or that
    of the type it lists. "" where there is none."""
    kind = field.partition(".")[0]
    listed = kind.removesuffix("Connection").removesuffix("Edge")
    return next((name for name in (field, kind, listed) if NESTED_ROLES.get(name)), "")


def roles_of(field: str) -> frozenset[Role]:
    """The roles that may read a field below the root, named `Type.field`; none where the table does not tell. What
    introspection shows is open to all."""
    return _ANY if field.startswith("__") else NESTED_ROLES.get(row_of(field), frozenset())


def check_access(token: Token, fields: Iterable[str], nested: Nested | None = None) -> None:
    """Raise `ApiError` FORBIDDEN for the first root field, in order of name, that the token may not ask, and then for
    the first one below."""
    for field in sorted(fields):
        if token.role not in FIELD_ROLES.get(field, frozenset()):
            raise ApiError(ErrorCode.FORBIDDEN, f"the role {token.role.value} may not ask {field}", status=403)
        if token.store_id is not None and field not in STORE_SCOPED and "__" not in field:
            raise ApiError(ErrorCode.FORBIDDEN, f"a token for one store may not ask {field}", status=403)
    if nested is not None and token.role not in nested.roles:
        field = next(one for one in nested.fields if token.role not in roles_of(one))
        raise ApiError(ErrorCode.FORBIDDEN, f"the role {token.role.value} may not read {field}", status=403)


@dataclass(frozen=True)
class Nested:
    """The fields below the root that an operation selects, as `Type.field` in order of name, and who may read all."""

    fields: tuple[str, ...]
    roles: frozenset[Role]

    @classmethod
    def of(cls, fields: Iterable[str]) -> Nested:
        """Of fields in any order."""
        names = tuple(sorted(set(fields)))
        return cls(names, _ANY.intersection(*map(roles_of, names)))
