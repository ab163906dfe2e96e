"""Which command does what a root field of the API does, and which commands have no field and why.

A test walks the schema and the commands: a field without a line here fails, so does a line whose command or option is
not there, and so does a command that neither answers for a field nor says why it has none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Same:
    """`commands` that do together what a field does, as typed after `ringfence`, options included; `note` says what
    differs, or, without any command, why there is none."""

    commands: tuple[str, ...]
    note: str = ""


def _by(*commands: str, note: str = "") -> Same:
    return Same(commands, note)


_WAITS = "the command waits for its answer; the API gives an id to ask with"
_OWN = "the platform's side; in the store's own words by `query --role store --store-id STORE`"

FIELDS: Mapping[str, Same] = {
    "Query.account": _by("explain account", "remedies"),
    "Query.accounts": _by("look accounts", "export"),
    "Query.acts": _by("audit show --after"),
    "Query.appeals": _by("appeal list --state"),
    "Query.assessClaim": _by("assess"),
    "Query.case": _by("case brief", "case notes", "case draw"),
    "Query.caseBundle": _by("case export"),
    "Query.caseQueue": _by("case queue"),
    "Query.cases": _by("case list --state --assignee"),
    "Query.checkActs": _by("audit verify", note="the command checks the seals of the audit journal too"),
    "Query.checkPolicy": _by("policy check"),
    "Query.complaintCounts": _by("complaint counts --store-id"),
    "Query.complaints": _by("complaint list --store-id --pending"),
    "Query.diffPolicies": _by("policy diff", note="the command compares two files"),
    "Query.evidence": _by("look evidence", "export"),
    "Query.identifier": _by("look identifier"),
    "Query.judgements": _by("judge list --state --target"),
    "Query.myClaim": _by("look refund", "assess", note=_OWN),
    "Query.myComplaintCounts": _by("complaint counts --store-id", note=_OWN),
    "Query.myComplaints": _by("complaint list --store-id", note=_OWN),
    "Query.myStore": _by("look store", "rates", "policy stages --store-id", note=_OWN),
    "Query.order": _by("look order"),
    "Query.path": _by("look path"),
    "Query.policies": _by("policy list"),
    "Query.policy": _by("policy show --version"),
    "Query.policyTrial": _by("policy try", "policy simulate", "policy backtest", note=_WAITS),
    "Query.proposedPolicies": _by("policy list --waiting"),
    "Query.purchaseLimit": _by("purchase-limit"),
    "Query.purchaseLimits": _by("purchase-limit", note="one buyer a command; many at once by `query`"),
    "Query.refund": _by("look refund"),
    "Query.replayClaim": _by("replay --claim"),
    "Query.replayComplaint": _by("replay --complaint"),
    "Query.replayDecision": _by("replay --run"),
    "Query.returnRisk": _by("return-risk --file"),
    "Query.ring": _by("explain ring"),
    "Query.rings": _by("look rings", "export --ring"),
    "Query.run": _by("runs", "status"),
    "Query.runDiff": _by("diff"),
    "Query.runs": _by("runs"),
    "Query.shadowReport": _by("policy shadow --report --digest"),
    "Query.store": _by("look store", "rates", "look rings --store-id"),
    "Query.storesInAccord": _by("complaint accords"),
    "Mutation.assignCase": _by("case assign"),
    "Mutation.backtestPolicy": _by("policy backtest --runs", note=_WAITS),
    "Mutation.closeAppeal": _by("appeal reject --withdrawn"),
    "Mutation.closeCase": _by("case close"),
    "Mutation.confirmPurchase": _by("confirm"),
    "Mutation.decideAnew": _by("judge anew"),
    "Mutation.decideCase": _by("case decide"),
    "Mutation.decideComplaint": _by("complaint decide"),
    "Mutation.fileComplaint": _by("complaint file --note --evidence --key"),
    "Mutation.fileComplaints": _by("complaint file-many"),
    "Mutation.judge": _by("judge make"),
    "Mutation.noteCase": _by("case note"),
    "Mutation.openAppeal": _by("appeal open"),
    "Mutation.openCase": _by("case open"),
    "Mutation.publishPolicy": _by("policy publish --reason --force"),
    "Mutation.publishRun": _by("publish --reason"),
    "Mutation.releasePurchase": _by("release"),
    "Mutation.reservePurchase": _by("reserve"),
    "Mutation.rollbackPolicy": _by("policy rollback --reason --force"),
    "Mutation.rollbackRun": _by("rollback --reason"),
    "Mutation.secondJudgement": _by("judge second"),
    "Mutation.shadowPolicy": _by("policy shadow"),
    "Mutation.simulatePolicy": _by("policy simulate --run --since --until", note=_WAITS),
    "Mutation.startRun": _by("detect --as-of"),
    "Mutation.stopShadow": _by("policy shadow --stop"),
    "Mutation.tryPolicy": _by("policy try --run", note=_WAITS),
    "Mutation.upholdAppeal": _by("appeal uphold --wrong"),
    "Mutation.withdrawJudgement": _by("judge withdraw"),
}
"""Root field of the schema to what does the same."""

_FILES = "reads or writes files where it runs"
_OPERATOR = "an operator's, at the store itself"

ALONE: Mapping[str, str] = {
    "load": _FILES,
    "quarantine list": _FILES,
    "quarantine retry": _FILES,
    "forget": _OPERATOR,
    "prune": _OPERATOR,
    "doctor": _OPERATOR,
    "query": "is the API itself",
    "serve": "is the API itself",
    "token": _OPERATOR,
    "revoke": _OPERATOR,
    "simulate": _FILES,
    "demo": "shows all of it on a market of its own",
    "settings": "of the machine where it runs",
}
"""Command to why no field of the API does it."""

_HEAD = """# Commands and the API

Whatever people and services ask and do over GraphQL they can by command, with the same outcome and the same record in
the book of acts or the audit journal. `ringfence query` answers any operation besides, in any role, without a server.

## From the API to the command

| root field | command | |
|---|---|---|
"""

_ALONE = """
## Commands without a field

| command | why |
|---|---|
"""


def parity_markdown() -> str:
    """Both ways as Markdown, ending in a newline."""
    fields = [
        f"| `{field}` | {', '.join(f'`{one}`' for one in same.commands)} | {same.note} |"
        for field, same in FIELDS.items()
    ]
    alone = [f"| `{command}` | {why} |" for command, why in ALONE.items()]
    return _HEAD + "\n".join(fields) + "\n" + _ALONE + "\n".join(alone) + "\n"
