"""Trials of policies by command and over GraphQL: what is asked, and either answer in one form."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_MOVES = "(first: 100) { edges { node { accountId before after } } }"
_TALLY = "{ orders amounts { amount currency } }"
_GROUP = "{ name orders amounts { amount currency } }"
_COST = f"""{{ denied cut accounts stopped {_TALLY} honestStopped {_TALLY} abuseLetThrough {_TALLY}
  byOutcome {_GROUP} byVerdict {_GROUP} byRisk {{ name amounts {{ amount currency }} }} }}"""
_JUDGEMENT = f"{{ asOf knownBy accounts limited share held digest detected runId cost {_COST} }}"
TRIAL = f"""query($id: ID!) {{ policyTrial(id: $id) {{ state problem
  tried {{ runId accounts limited share held changes{_MOVES} }}
  simulated {{ runId after until orders difference {{ before after changes {{ field before after words effect
      wordsZh: words(language: ZH) }} }}
    now {_JUDGEMENT} then {_JUDGEMENT} changes{_MOVES} }}
  backtested {{ judgements {_JUDGEMENT} total {_COST} }} }} }}"""
REPORT = f"""{{ shadowReport {{ policy {{ version digest since by }} onlyShadowLimits {{ verdict accounts }}
  onlyLiveLimits {{ verdict accounts }} runs {{ edges {{ node {{ runId asOf live shadow accounts liveLimited
  shadowLimited digest differ{_MOVES} }} }} }} }} }}"""


def of_command(name: str, told: Mapping[str, Any]) -> dict[str, Any]:
    """A command's answer as the API gives it."""
    if name == "tryPolicy":
        return {**told, "changes": _moves(told["changes"])}
    if name == "backtestPolicy":
        both = zip(told["judgements"], told["costs"], strict=True)
        return {
            "judgements": [one | {"cost": _cost(cost)} for one, cost in both],
            "total": _cost(told["total"]),
        }
    sides = {name: _side(told["run_id"], told[name]) for name in ("now", "then")}
    words = {name: told["policy"][name] for name in ("before", "after", "changes")}
    return {
        **told["window"],
        **sides,
        "run_id": told["run_id"],
        "difference": words,
        "changes": _moves(told["changes"]),
    }


def of_graphql(found: Mapping[str, Any]) -> dict[str, Any]:
    """The API's answer, pages as lists and effects as commands write them."""
    (answer,) = [found[name] for name in ("tried", "simulated", "backtested") if found[name]]
    if "changes" in answer:
        answer = {**answer, "changes": [edge["node"] for edge in answer["changes"]["edges"]]}
    for change in answer.get("difference", {}).get("changes", ()):
        change["effect"] = (change["effect"] or "").lower()
    return dict(answer)


def report_of_command(told: Mapping[str, Any]) -> dict[str, Any]:
    """A report on a shadow as the API gives it."""
    left_out = ("only_live_limits", "only_shadow_limits")
    runs = []
    for run in told["runs"]:
        moves = [dict(zip(("buyer_id", "before", "after"), one, strict=True)) for one in run["differ"]]
        runs.append({k: v for k, v in run.items() if k not in left_out} | {"differ": _moves(moves)})
    verdicts = {name: _verdicts(told["verdicts"][name]) for name in left_out}
    return {"policy": told["shadow"], "runs": runs, **verdicts}


def report_of_graphql(found: Mapping[str, Any]) -> dict[str, Any]:
    """The API's report, pages as lists."""
    runs = [edge["node"] for edge in found["runs"]["edges"]]
    for run in runs:
        run["differ"] = [edge["node"] for edge in run["differ"]["edges"]]
    return {**found, "runs": runs}


def _verdicts(counted: Mapping[str, int]) -> list[dict[str, Any]]:
    return [{"verdict": name, "accounts": count} for name, count in counted.items()]


def _moves(changes: Any) -> list[dict[str, Any]]:
    moves = [{"account_id": one["buyer_id"], "before": one["before"], "after": one["after"]} for one in changes]
    return sorted(moves, key=lambda one: one["account_id"])


def _side(run: str, told: Mapping[str, Any]) -> dict[str, Any]:
    return {**told, "run_id": run, "cost": _cost(told["cost"])}


def _cost(told: Mapping[str, Any]) -> dict[str, Any]:
    kept = {k: v for k, v in told.items() if k not in ("run_id", "after", "until")}
    for name in ("stopped", "honest_stopped", "abuse_let_through"):
        kept[name] = {**kept[name], "amounts": _money(kept[name]["amounts"])}
    for name in ("by_outcome", "by_verdict"):
        kept[name] = [
            {"name": key, "orders": one["orders"], "amounts": _money(one["amounts"])} for key, one in kept[name].items()
        ]
    kept["by_risk"] = [{"name": key, "amounts": _money(one)} for key, one in kept["by_risk"].items()]
    return kept


def _money(amounts: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"amount": text, "currency": code} for code, text in amounts.items()]
