"""Explanations as lines of text, in English or Chinese."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from integrity.words import Language, name_of

_WORDS: Final[Mapping[Language, Mapping[str, str]]] = {
    "en": {
        "account": "{buyer_id}: {status}, risk {risk:.3f} ({claims} claims on {orders} orders, {expected_claims:.1f} "
        "expected of the same baskets)",
        "by": "  by {run_id} as of {as_of}, policy {policy}",
        "decided": "Decided because",
        "for": "Speaks for abuse",
        "against": "Speaks against it",
        "ring": "Ring {ring_id} of {size} accounts, confidence {confidence:.3f}",
        "role": ", as {role} with probability {probability:.2f}",
        "ring_head": "{ring_id}: {size} accounts, confidence {confidence:.3f}, {amount} claimed at {at} stores from "
        "{first_at} to {last_at}",
        "because": "Because",
        "members": "Members",
        "member": "  {buyer_id}  {role} {probability:.2f}{risk}  {status}",
        "member_risk": "  risk {risk:.3f}  {claims} claims",
        "stores": "At stores {stores}",
        "evidence": "Evidence, heaviest first (nats; negative speaks against)",
        "gone": "gone from the store",
        "new": "found for the first time",
        "continues": "found in the run before, too",
        "returns": "found again: the run before did not find it",
        "splits": "split from {splits_from}",
        "merges": "; {merges} went into it",
        "limits": "  may buy at most: {parts}",
        "limit_orders_1d": "orders a day {n}",
        "limit_orders_30d": "orders in 30 days {n}",
        "limit_amount_1d": "{currency} a day {n}",
        "limit_amount_30d": "{currency} in 30 days {n}",
        "limit_quantity": "pieces of one item {n}",
        "limit_stores": "  at {stores}",
        "lift": "  what would lift it: {lift}",
        "flip_none": "Nothing to flip: nothing is held against this account",
        "flip_fails": "Without all of its evidence the decision would stand: risk {risk_after:.3f}, {status_after}",
        "flip": "Without what follows the risk would be {risk_after:.3f} and the status {status_after}",
        "flip_others": "  other accounts that would stand otherwise, too: {n}",
        "weighed_for": "Weighed, and speaks for abuse",
        "weighed_against": "Weighed, and benign or speaks against it",
        "comma": ", ",
    },
    "zh": {
        "account": "{buyer_id}：{status}，风险 {risk:.3f}"
        "（{orders} 笔订单中 {claims} 笔售后，按其购物情况预期 {expected_claims:.1f} 笔）",
        "by": "  依据 {run_id}，数据截至 {as_of}，策略 {policy}",
        "decided": "判定依据",
        "for": "支持滥用的证据",
        "against": "不支持滥用的情况",
        "ring": "团伙 {ring_id}，共 {size} 个账户，置信度 {confidence:.3f}",
        "role": "，角色：{role}，概率 {probability:.2f}",
        "ring_head": "{ring_id}：{size} 个账户，置信度 {confidence:.3f}，"
        "在 {at} 家店铺申请退款 {amount}，时间 {first_at} 至 {last_at}",
        "because": "认定依据",
        "members": "成员",
        "member": "  {buyer_id}  {role} {probability:.2f}{risk}  {status}",
        "member_risk": "  风险 {risk:.3f}  售后 {claims} 笔",
        "stores": "涉及店铺 {stores}",
        "evidence": "证据，按权重从高到低（单位 nat；负值表示不支持滥用）",
        "gone": "库中已无此记录",
        "new": "首次发现",
        "continues": "上次检测已发现",
        "returns": "再次发现：上次检测未发现",
        "splits": "由 {splits_from} 拆分而来",
        "merges": "；{merges} 并入其中",
        "limits": "  购买上限：{parts}",
        "limit_orders_1d": "每日 {n} 单",
        "limit_orders_30d": "30 天 {n} 单",
        "limit_amount_1d": "每日 {n} {currency}",
        "limit_amount_30d": "30 天 {n} {currency}",
        "limit_quantity": "同一商品 {n} 件",
        "limit_stores": "  适用店铺：{stores}",
        "lift": "  解除条件：{lift}",
        "flip_none": "没有可撤销的证据：该账户未被采取措施",
        "flip_fails": "即使撤销全部证据，判定也不会改变：风险 {risk_after:.3f}，{status_after}",
        "flip": "撤销以下 {n} 项证据后，风险为 {risk_after:.3f}，状态为 {status_after}",
        "flip_others": "  另有 {n} 个账户的状态、风险或团伙随之变化",
        "weighed_for": "已核查，支持滥用",
        "weighed_against": "已核查，属正常或不支持滥用",
        "comma": "、",
    },
}
_LIMITS: Final = ("limit_orders_1d", "limit_orders_30d", "limit_amount_1d", "limit_amount_30d", "limit_quantity")


def account_text(told: Mapping[str, Any], language: Language = "en") -> str:
    """`explain_account` as lines of text."""
    w, decision = _WORDS[language], told["decision"]
    lines = [
        w["account"].format_map({**told, "status": name_of("status", told["status"], language)}),
        w["by"].format_map(told),
    ]
    lines += _limits_text(decision, language)
    lines += _listed(w["decided"], decision["reasons"][:1])
    lines += _listed(w["for"], told["reasons"])
    lines += _listed(w["against"], told["against"])
    ring = told["ring"]
    if ring is not None:
        role = w["role"].format_map({**ring, "role": name_of("part", ring["role"], language)}) if "role" in ring else ""
        lines += [w["ring"].format_map(ring) + role]
        lines += [f"  - {reason}" for reason in ring["reasons"]]
    return "\n".join([*lines, *_evidence_text(told["evidence"], language, named=False)])


def ring_text(told: Mapping[str, Any], language: Language = "en") -> str:
    """`explain_ring` as lines of text."""
    w = _WORDS[language]
    lines = [
        w["ring_head"].format_map({**told, "at": len(told["stores"])}),
        w["by"].format_map(told),
        *_lineage_text(told["lineage"], language),
        *_listed(w["because"], told["reasons"]),
        w["members"],
    ]
    for member in told["members"]:
        risk = "" if member["risk"] is None else w["member_risk"].format_map(member)
        status = name_of("status", member["status"] or "", language)
        shown = {**member, "role": name_of("part", member["role"], language), "risk": risk, "status": status}
        lines.append(w["member"].format_map(shown))
    lines.append(w["stores"].format(stores=w["comma"].join(told["stores"])))
    return "\n".join([*lines, *_evidence_text(told["evidence"], language, named=True)])


def flip_text(told: Mapping[str, Any], language: Language = "en") -> str:
    """What would flip the decision on an account, and what was weighed, as lines of text."""
    w = _WORDS[language]
    named = {**told, "n": len(told["evidence"]), "status_after": name_of("status", told["status_after"], language)}
    if not told["evidence"]:
        lines = [w["flip_none"]]
    else:
        lines = [w["flip" if told["flips"] else "flip_fails"].format_map(named)]
        lines += [_piece(row) for row in told["evidence"]]
    if told["others"]:
        lines.append(w["flip_others"].format(n=told["others"]))
    lines += _listed(w["weighed_for"], told["weighed"]["reasons"])
    lines += _listed(w["weighed_against"], told["weighed"]["against"])
    return "\n".join(lines)


def _piece(row: Mapping[str, Any]) -> str:
    record = f"{row['source_table']} {row['source_id']}"
    return f"  {row['nats']:+7.2f}  {row['kind']} {row['text']} ({row['shown'] or record})"


def _lineage_text(told: Mapping[str, Any] | None, language: Language) -> list[str]:
    if told is None:
        return []
    w = _WORDS[language]
    merges = w["merges"].format(merges=w["comma"].join(told["merges"])) if told["merges"] else ""
    return [f"  {w[told['state']].format_map(told)}{merges}"]


def _limits_text(decision: Mapping[str, Any], language: Language) -> list[str]:
    w, currency = _WORDS[language], decision["currency"]
    parts = [w[name].format(n=decision[name], currency=currency) for name in _LIMITS if decision[name] is not None]
    lines = [w["limits"].format(parts=w["comma"].join(parts))] if parts else []
    if decision["limit_store_ids"]:
        lines.append(w["limit_stores"].format(stores=w["comma"].join(decision["limit_store_ids"])))
    if decision["lift"]:
        lines.append(w["lift"].format_map(decision))
    return lines


def _listed(title: str, items: Sequence[str]) -> list[str]:
    return [title, *(f"  - {item}" for item in items)] if items else []


def _evidence_text(rows: Sequence[Mapping[str, Any]], language: Language, *, named: bool) -> list[str]:
    w = _WORDS[language]
    lines = [w["evidence"]] if rows else []
    for row in rows:
        who = f" {row['buyer_id']}:" if named else ""
        shown = f" [{row['shown']}]" if row["shown"] else ""
        lines.append(f"  {row['nats']:+7.2f}  {row['kind']}{who} {row['text']}{shown}")
        record = row["record"]
        fields = w["gone"] if record is None else _fields(record, row["source_id"])
        lines.append(f"           {row['source_table']} {row['source_id']}: {fields}")
    return lines


def _fields(record: Mapping[str, Any], row_id: str) -> str:
    """A record in one line; its own id stands before it already."""
    return "  ".join(f"{name}={value}" for name, value in record.items() if value != row_id)
