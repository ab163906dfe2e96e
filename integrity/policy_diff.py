"""What differs between two policies, in words that a manager reads, and whether it is milder or stricter on buyers.

Every field is compared as the policy holds it, defaults written out. What a field means is taken from its own
description, so a field that is added later is told as well; limits and stages have sentences of their own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from pydantic import BaseModel

from integrity import policy_names as zh
from integrity.policy import Policy
from integrity.words import Language

Effect = Literal["milder", "stricter", ""]

_SCOPES = {
    "platform": "Accounts limited on the platform",
    "store": "Accounts limited at stores",
    "new_account": "New accounts with an identifier of limited ones",
}
_OWNERS = {
    "account": "A limited account, besides its own limits,",
    "door": "Limited accounts behind one door together",
    "ring": "Limited accounts of one ring together",
}
_PLACES = {"platform": "", "store": " at one store", "item": " of one item"}
_MEASURES = {
    "units_per_day": ("may buy", "pieces in 24 hours"),
    "units_per_30_days": ("may buy", "pieces in 30 days"),
    "orders_per_day": ("may place", "orders in 24 hours"),
    "orders_per_30_days": ("may place", "orders in 30 days"),
    "quantity_per_item": ("may order", "pieces of one item"),
    "amount_per_day": ("may spend", "in 24 hours"),
    "amount_per_30_days": ("may spend", "in 30 days"),
}
_MORE_IS_MILDER = {
    "statuses.watch_risk",
    "statuses.store_limited_risk",
    "statuses.platform_limited_risk",
    "statuses.alone_limited_risk",
    "statuses.store_limited_max_stores",
    "statuses.immediate_store_risk",
    "statuses.immediate_platform_risk",
    "statuses.ring_confidence",
    "statuses.membership_probability",
    "statuses.minimum_claims_in_ring",
    "statuses.minimum_claims_alone",
    "new_accounts.limited_share",
}
_MORE_IS_STRICTER = {"limits.expire_after_days"}


@dataclass(frozen=True)
class PolicyChange:
    """One field that differs: its dotted name, both values as text, a sentence in English and in Chinese, and its
    effect on buyers (empty where it has none, or where it depends)."""

    field: str
    before: str
    after: str
    words: str
    words_zh: str
    effect: Effect

    def told(self, language: Language) -> str:
        """The sentence in a language."""
        return self.words_zh if language == "zh" else self.words


@dataclass(frozen=True)
class PolicyDiff:
    """All that differs between two policies but their versions (`before`, `after`), in the order of the document."""

    before: str
    after: str
    changes: tuple[PolicyChange, ...]
    new_detection: bool
    """Whether detection itself would differ: then only a new run shows what the policy leads to."""

    def to_json(self) -> dict[str, Any]:
        """Plain values for `--json`."""
        return asdict(self)


def diff_policies(before: Policy, after: Policy) -> PolicyDiff:
    """What `after` says otherwise than `before`."""
    old, new = _document(before), _document(after)
    changes = []
    for path in _paths(old, new):
        if path == ("version",):
            continue
        if path == ("stages", "bands"):
            changes += _bands(old["stages"]["bands"], new["stages"]["bands"])
            continue
        one, other = _at(old, path), _at(new, path)
        if one != other:
            changes.append(_change(path, one, other))
    return PolicyDiff(before.version, after.version, tuple(changes), before.detection != after.detection)


def _document(policy: Policy) -> dict[str, Any]:
    """The policy as plain values; allowances by whose they are and where, in place of a list."""
    told = policy.model_dump(mode="json")
    rules = told["checkout"]["allowances"]
    told["checkout"]["allowances"] = {
        f"{rule['of']} {rule['within']}": {name: value for name, value in rule.items() if name not in ("of", "within")}
        for rule in rules
    }
    return told


def _paths(old: Mapping[str, Any], new: Mapping[str, Any], above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Paths of the leaves of both documents, in the order of the fields, then of keys that only one has."""
    for key in dict.fromkeys([*old, *new]):
        one, other = old.get(key), new.get(key)
        if isinstance(one, Mapping) or isinstance(other, Mapping):
            yield from _paths(one or {}, other or {}, (*above, key))
        else:
            yield (*above, key)


def _at(document: Mapping[str, Any], path: Sequence[str]) -> Any:
    value: Any = document
    for key in path:
        value = (value or {}).get(key)
    return value


def _change(path: tuple[str, ...], before: Any, after: Any) -> PolicyChange:
    name = ".".join(path)
    limit = path[-1] in _MEASURES and (path[0] == "limits" or path[1:2] == ("allowances",))
    words = _limit_words(path, before, after) if limit else _words(path, before, after)
    said = _limit_zh(path, before, after) if limit else _words_zh(name, before, after)
    return PolicyChange(name, _shown(before), _shown(after), words, said, _effect(name, limit, before, after))


def _limit_words(path: tuple[str, ...], before: Any, after: Any) -> str:
    """`Accounts limited at stores may place 2 orders in 24 hours instead of 1.`"""
    may, what = _MEASURES[path[-1]]
    unit = f"{path[-2]} " if path[-3] == "amounts" else ""
    nouns = "" if unit else what.partition(" ")[0]
    now = f"{after} {unit}{what}" if after is not None else f"any {unit or 'number of '}{what}"
    then = f"instead of {before}" if before is not None else f"instead of any{' number of ' + nouns if nouns else ''}"
    who = _SCOPES[path[1]] if path[0] == "limits" else _whose(path[2])
    return f"{who} {may} {now} {then}."


def _limit_zh(path: tuple[str, ...], before: Any, after: Any) -> str:
    """`店铺级限购的账户：24 小时内的订单数最多 2，原为 1。`"""
    unit = f" {path[-2]}" if path[-3] == "amounts" else ""
    now, then = ("不限" if one is None else f"最多 {one}{unit}" for one in (after, before))
    if path[0] == "limits":
        who = zh.SCOPES[path[1]]
    else:
        of, _, within = path[2].partition(" ")
        who = zh.OWNERS[of] + zh.PLACES[within]
    return f"{who}：{zh.MEASURES[path[-1]]}{now}，原为{then}。"


def _words_zh(name: str, before: Any, after: Any) -> str:
    told = {"none": "无", "nothing": "无", "yes": "是", "no": "否"}
    now, then = (told.get(_shown(one), _shown(one)) for one in (after, before))
    section, _, key = name.rpartition(".")
    meaning = zh.FIELDS.get(name) or (f"{zh.FIELDS[section]} {key}" if section in zh.FIELDS else name)
    return f"{meaning}：{now}，原为 {then}。"


def _whose(allowance: str) -> str:
    of, _, within = allowance.partition(" ")
    return f"{_OWNERS[of]}{_PLACES[within]}"


def _words(path: tuple[str, ...], before: Any, after: Any) -> str:
    meaning = _description(path).rstrip(".")
    return f"{meaning}: {_shown(after)} instead of {_shown(before)}." if meaning else f"{path[-1]} is {_shown(after)}."


def _description(path: tuple[str, ...]) -> str:
    """What the field of this path means, by its model; empty for a key of a table without a model."""
    model: type[BaseModel] = Policy
    text = ""
    for key in path:
        field = model.model_fields.get(key)
        if field is None:
            return text
        text = field.description or ""
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            model = kind
    return text


def _effect(name: str, limit: bool, before: Any, after: Any) -> Effect:
    if limit:
        low = float("inf") if before is None else float(before)
        high = float("inf") if after is None else float(after)
        return "milder" if high > low else "stricter"
    if name in _MORE_IS_MILDER:
        return "milder" if after > before else "stricter"
    if name in _MORE_IS_STRICTER:
        return "stricter" if after > before else "milder"
    return ""


def _bands(before: Sequence[Mapping[str, Any]], after: Sequence[Mapping[str, Any]]) -> list[PolicyChange]:
    """Stages compared by score and first day."""
    old = {(-band["at_least"], band["since"] or ""): band for band in before}
    new = {(-band["at_least"], band["since"] or ""): band for band in after}
    changes = []
    for key in sorted({*old, *new}):
        one, other = old.get(key, {}), new.get(key, {})
        if one == other:
            continue
        had, has = one.get("entitlements", ()), other.get("entitlements", ())
        told = []
        if not one or not other:
            told.append("is a new stage" if not one else "is no longer a stage")
        gained = [name for name in has if name not in had]
        lost = [name for name in had if name not in has]
        told += [f"gains {', '.join(gained)}"] * bool(gained) + [f"loses {', '.join(lost)}"] * bool(lost)
        if one and other and one["until"] != other["until"]:
            told.append(f"ends {other['until'] or 'never'} instead of {one['until'] or 'never'}")
        since = f" from {key[1]}" if key[1] else ""
        words = f"Stores of a score of {-key[0]:g} and above{since}: {'; '.join(told) or 'the order of the list'}."
        said = _band_zh(key, one, other, gained, lost)
        changes.append(PolicyChange("stages.bands", _shown(list(had)), _shown(list(has)), words, said, ""))
    return changes


def _band_zh(
    key: tuple[float, str], one: Mapping[str, Any], other: Mapping[str, Any], gained: Sequence[str], lost: Sequence[str]
) -> str:
    told = ["新增的档位" if not one else "不再设档"] if not one or not other else []
    told += [f"增加 {'、'.join(gained)}"] * bool(gained) + [f"取消 {'、'.join(lost)}"] * bool(lost)
    if one and other and one["until"] != other["until"]:
        told.append(f"结束于 {other['until'] or '不限'}，原为 {one['until'] or '不限'}")
    since = f"（自 {key[1]} 起）" if key[1] else ""
    return f"评分 {-key[0]:g} 以上的店铺{since}：{'；'.join(told) or '次序'}。"


def _shown(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(map(_shown, value)) or "nothing"
    return f"{value:g}" if isinstance(value, float) else str(value)
