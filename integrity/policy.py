"""The policy: a versioned TOML document that says what findings lead to, field by field.

`Policy` is the whole document, validated; `load_policy` reads a file, `default_policy` the one that ships with
Ringfence. Every field has a description, from which the reference page is printed. Two documents that mean the same
have the same digest, whatever their comments and order.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, Field, ValidationError, model_validator

from detectors.settings import DetectionSettings
from graph.errors import BadInput
from integrity.money import to_minor
from integrity.policy_fields import Amount, Share, as_tuple
from integrity.policy_fields import Section as _Section
from integrity.policy_invariants import Invariants
from integrity.policy_remedies import Rates, Remedies, ReturnRisk
from integrity.policy_stages import Stages


class Statuses(_Section):
    """Who is watched and who is limited."""

    watch_risk: Share = Field(default=0.3, description="Accounts of at least this risk (a probability) are watched.")
    store_limited_risk: Share = Field(
        default=0.65, description="Accounts of at least this risk are limited at the stores where they claimed."
    )
    platform_limited_risk: Share = Field(
        default=0.9,
        description="Accounts of at least this risk are limited on the whole platform, unless the abuse is at few "
        "stores only.",
    )
    alone_limited_risk: Share = Field(
        default=0.97,
        description="An account outside rings is limited from this risk on, if it is higher: nobody else's conduct "
        "bears out its own, and bad luck looks alike.",
    )
    store_limited_max_stores: int = Field(
        default=1,
        ge=0,
        description="Abuse at no more stores than this (the account's own claims and those of its ring) leads to "
        "STORE_LIMITED however high the risk.",
    )
    ring_confidence: Share = Field(
        default=0.8, description="A ring of less confidence (probability that it is real) limits nobody by membership."
    )
    membership_probability: Share = Field(
        default=0.5, description="A member of less probability is treated as one who stands by."
    )
    immediate_store_risk: Share = Field(
        default=1.0,
        description="Below this risk an account is limited anywhere only if a run before, over earlier data, had "
        "watched or limited it already; until then it is watched, and warned. 1: never without that, but for the first "
        "run of all.",
    )
    immediate_platform_risk: Share = Field(
        default=1.0,
        description="Below this risk an account is limited on the whole platform only if a run before, over earlier "
        "data, had limited it already; until then it is limited at the stores where it claimed. 1: never without that.",
    )
    good_conduct_days: int = Field(
        default=180,
        ge=1,
        description="An account without a new claim for so many days steps down: from the platform to its stores, then "
        "to being watched, then to CLEAR; one step each time so many days pass.",
    )
    minimum_claims_in_ring: int = Field(
        default=2, ge=1, description="Own claims that an acting member of a ring needs before it is limited."
    )
    minimum_claims_alone: int = Field(
        default=3, ge=1, description="Own claims that an account outside any ring needs before it is limited."
    )

    @model_validator(mode="after")
    def _rising(self) -> Self:
        if not self.watch_risk <= self.store_limited_risk <= self.platform_limited_risk:
            raise ValueError("watch_risk, store_limited_risk and platform_limited_risk must not fall in this order")
        if self.immediate_store_risk > self.immediate_platform_risk:
            raise ValueError("immediate_store_risk must not be above immediate_platform_risk")
        return self

    @staticmethod
    def at_once(risk: float, threshold: float) -> bool:
        """Whether a step may be left out at this risk; a threshold of 1 lets it never be."""
        return threshold <= risk and threshold < 1.0


class AmountRule(_Section):
    """What may be spent, as decimal text in the currency that names the section."""

    amount_per_day: Amount | None = Field(default=None, description="In any 24 hours; absent is no limit.")
    amount_per_30_days: Amount | None = Field(default=None, description="In any 30 days; absent is no limit.")


class Limits(_Section):
    """What a limited account may still buy where its limits hold."""

    orders_per_day: int | None = Field(default=None, ge=0, description="Orders in any 24 hours; absent is no limit.")
    orders_per_30_days: int | None = Field(default=None, ge=0, description="Orders in any 30 days; absent is no limit.")
    quantity_per_item: int | None = Field(
        default=None, ge=0, description="Pieces of one item in an order; absent: no limit."
    )
    amounts: dict[Annotated[str, Field(pattern="^[A-Z]{3}$")], AmountRule] = Field(
        default_factory=dict,
        description="A table a currency. In a currency without one the order counts still hold and the amount is not "
        "limited; answers then say CURRENCY_WITHOUT_RULE.",
    )

    @model_validator(mode="after")
    def _in_minor_units(self) -> Self:
        for currency in self.amounts:
            self.minor(currency)
        return self

    def minor(self, currency: str) -> tuple[int | None, int | None]:
        """Limits a day and a 30 days in minor units of the currency; None is no limit."""
        rule = self.amounts.get(currency)
        if rule is None:
            return None, None
        day, month = rule.amount_per_day, rule.amount_per_30_days
        return (
            None if day is None else to_minor(day, currency),
            None if month is None else to_minor(month, currency),
        )


class Scopes(_Section):
    """The limits of each kind of limited account."""

    expire_after_days: int = Field(default=90, ge=1, description="Limits end this long after the run's as_of.")
    platform: Limits = Field(description="PLATFORM_LIMITED accounts, over all stores together.")
    store: Limits = Field(description="STORE_LIMITED accounts, over the stores where the limit holds together.")
    new_account: Limits = Field(
        description="Accounts never judged that come with an identifier of limited accounts, over all stores together."
    )


class NewAccounts(_Section):
    """How an account that no run has judged is seen at checkout."""

    kinds: Annotated[tuple[Literal["device", "phone", "payment", "door"], ...], BeforeValidator(as_tuple)] = Field(
        default=("device", "phone", "payment", "door"),
        description="Kinds of identifier that can speak against a new account. IP addresses and recipient names are "
        "too common to do so.",
    )
    limited_share: Annotated[float, Field(gt=0, le=1, strict=False)] = Field(
        default=0.5,
        description="Share of an identifier's accounts that must be limited before it speaks against a new one.",
    )


class Allowance(_Section):
    """What a limited account may buy besides its own limits, or what limited accounts of one door or one ring may buy
    together. Each pair of `of` and `within` may have one such section."""

    of: Literal["account", "door", "ring"] = Field(
        description="Whose: each account's own, or shared by the limited accounts behind one door (a hub that is not "
        "abusive is no such door) or of one ring."
    )
    within: Literal["platform", "store", "item"] = Field(
        default="platform",
        description="Where: over all stores, for accounts that are limited on the platform; at the store of the "
        "purchase; or of its item.",
    )
    orders_per_day: int | None = Field(default=None, ge=0, description="Orders in any 24 hours; absent is no limit.")
    orders_per_30_days: int | None = Field(default=None, ge=0, description="Orders in any 30 days; absent is no limit.")
    units_per_day: int | None = Field(default=None, ge=0, description="Pieces in any 24 hours; absent is no limit.")
    units_per_30_days: int | None = Field(default=None, ge=0, description="Pieces in any 30 days; absent is no limit.")
    amounts: dict[Annotated[str, Field(pattern="^[A-Z]{3}$")], AmountRule] = Field(
        default_factory=dict, description="A table a currency; in a currency without one the amount is not limited."
    )

    @model_validator(mode="after")
    def _sensible(self) -> Self:
        for currency in self.amounts:
            self.minor(currency)
        numbers = (self.orders_per_day, self.orders_per_30_days, self.units_per_day, self.units_per_30_days)
        if all(number is None for number in numbers) and not self.amounts:
            raise ValueError("an allowance limits orders, units or amounts")
        if self.within == "item" and self.amounts:
            raise ValueError("orders do not tell what each item costs: limit its units or orders")
        return self

    def minor(self, currency: str) -> tuple[int | None, int | None]:
        """Amounts a day and a 30 days in minor units of the currency; None is no limit."""
        rule = self.amounts.get(currency)
        found = (None, None) if rule is None else (rule.amount_per_day, rule.amount_per_30_days)
        day, month = (None if amount is None else to_minor(amount, currency) for amount in found)
        return day, month


class Checkout(_Section):
    """What purchase limits are answered when the knowledge is missing or old, and how purchases are reserved."""

    run_max_age_hours: int = Field(default=48, ge=1, description="A run that finished longer ago than this is stale.")
    when_stale: Literal["keep", "allow", "deny"] = Field(
        default="keep",
        description="With a stale run: `keep` its limits until they expire and allow the others, `allow` everything, "
        "or `deny` everything.",
    )
    when_no_run: Literal["allow", "deny"] = Field(default="allow", description="Before the first published run.")
    hold_minutes: int = Field(
        default=30, ge=1, le=10_080, description="A reservation that is not confirmed ends after so long."
    )
    deadline_ms: int = Field(
        default=50,
        ge=1,
        le=60_000,
        description="Milliseconds for which an answer waits for the store; most answers need no store at all.",
    )
    when_unreachable: Literal["allow", "deny", "by_amount"] = Field(
        default="by_amount",
        description="Where the store does not answer in that time, for accounts that are limited or may be: `allow`, "
        "`deny`, or allow what costs no more than `unreachable_amounts` says.",
    )
    unreachable_amounts: dict[Annotated[str, Field(pattern="^[A-Z]{3}$")], Amount] = Field(
        default_factory=dict,
        description="Decimal text by currency; more, and other currencies, are denied under `by_amount`.",
    )
    allowances: Annotated[tuple[Allowance, ...], BeforeValidator(as_tuple)] = Field(
        default=(), description="Allowances beyond each account's own limits, a section `[[checkout.allowances]]` each."
    )

    @model_validator(mode="after")
    def _sound(self) -> Self:
        pairs = [(rule.of, rule.within) for rule in self.allowances]
        for of, within in pairs:
            if pairs.count((of, within)) > 1:
                raise ValueError(f"two allowances of {of} within {within}; write one")
        for currency in self.unreachable_amounts:
            self.unreachable_minor(currency)
        return self

    def unreachable_minor(self, currency: str) -> int | None:
        """`unreachable_amounts` in minor units of the currency; None where it has none."""
        amount = self.unreachable_amounts.get(currency)
        return None if amount is None else to_minor(amount, currency)


class Complaints(_Section):
    """What becomes of a complaint at once, and what a person must look at."""

    uphold_from: Share = Field(
        default=0.98, description="A complaint that is right with at least this probability is upheld at once."
    )
    dismiss_below: Share = Field(
        default=0.0125, description="A complaint that is right with less than this probability is dismissed at once."
    )
    sample_share: Share = Field(
        default=0.05,
        description="Share of what could be decided at once that a person decides all the same, so that its error is "
        "measured.",
    )
    concerted_risk: Share = Field(
        default=0.5,
        description="Where several stores report an account of less risk within days, a person must look.",
    )

    @model_validator(mode="after")
    def _apart(self) -> Self:
        if self.dismiss_below > self.uphold_from:
            raise ValueError("dismiss_below must not be above uphold_from")
        return self


class People(_Section):
    """What people's judgements and appeals need."""

    two_for_platform_limits: bool = Field(
        default=True, description="A judgement that limits an account everywhere needs a second person."
    )
    two_for_policies: bool = Field(
        default=False,
        description="A policy is put in force by two people: the first proposes it, the second publishes the same.",
    )
    appeal_days: int = Field(default=7, ge=1, description="Days within which an appeal is to be decided.")


class Publication(_Section):
    """When a run is published, and how long it stays."""

    max_limited_share: Share = Field(
        default=0.03, description="A run that would limit more than this share of all accounts is held for a person."
    )
    keep_published_runs: int = Field(
        default=30,
        ge=2,
        description="So many of the latest published runs stay readable; older ones are dropped, but for what these "
        "rest on and what open appeals and cases are about.",
    )
    keep_shadow_days: int = Field(
        default=365,
        ge=1,
        description="What a policy in the shadow decided is kept for so many days after its run; older is dropped.",
    )


class Policy(_Section):
    """The whole document."""

    version: str = Field(
        min_length=1, max_length=64, description="Your name for this version; shown with every run that used it."
    )
    statuses: Statuses = Field(default_factory=Statuses, description="Who is watched and who is limited.")
    limits: Scopes = Field(description="What a limited account may still buy.")
    new_accounts: NewAccounts = Field(default_factory=NewAccounts, description="Accounts that no run has judged.")
    checkout: Checkout = Field(default_factory=Checkout, description="Answers without fresh knowledge.")
    complaints: Complaints = Field(default_factory=Complaints, description="What is decided of complaints at once.")
    people: People = Field(default_factory=People, description="Judgements and appeals.")
    remedies: Remedies = Field(default_factory=Remedies, description="What is done beyond purchase limits.")
    rates: Rates = Field(default_factory=Rates, description="How the rates of stores are counted.")
    return_risk: ReturnRisk = Field(default_factory=ReturnRisk, description="Warnings that an order may come back.")
    stages: Stages = Field(default_factory=Stages, description="What a store may use, by its score.")
    publication: Publication = Field(default_factory=Publication, description="Which runs are held, which are kept.")
    invariants: Invariants = Field(
        default_factory=Invariants, description="What must hold of a run before readers see it."
    )
    detection: Annotated[DetectionSettings, Field(strict=False)] = Field(
        default_factory=lambda: DetectionSettings.model_validate({}),
        description="Settings of the detectors; see their own reference page.",
    )

    @property
    def canonical(self) -> str:
        """The document as canonical JSON, with every default written out."""
        return json.dumps(self.model_dump(mode="json"), sort_keys=True, ensure_ascii=False, separators=(",", ":"))

    @property
    def digest(self) -> str:
        """SHA-256 of the canonical form."""
        return hashlib.sha256(self.canonical.encode()).hexdigest()


def parse_policy(text: str, *, where: str) -> Policy:
    """The policy that a TOML text states. Raises `BadInput` naming `where`, the field, its value and what to do."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BadInput(
            f"not valid TOML: {error}", where=where, do="`ringfence policy show` prints a valid one"
        ) from None
    return validate_policy(document, where=where)


def validate_policy(document: Mapping[str, Any], *, where: str) -> Policy:
    """The policy that a parsed document states; errors as in `parse_policy`."""
    try:
        return Policy.model_validate(document)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = ".".join(str(part) for part in first["loc"])
        raise BadInput(
            _plain(first, error.error_count()), where=f"{where}, field {field or '(whole document)'}", do=_advice(first)
        ) from None


def load_policy(path: Path | None) -> Policy:
    """The policy of a file, or the default one for None. Raises `BadInput` as `parse_policy` does."""
    if path is None:
        return default_policy()
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"cannot be read: {error}", where=str(path), do="give a UTF-8 TOML file") from None
    return parse_policy(text, where=str(path))


def default_text() -> str:
    """The default policy as it ships, comments included: a file to copy and change."""
    return resources.files("integrity").joinpath("default_policy.toml").read_text(encoding="utf-8")


def default_policy() -> Policy:
    """The policy that holds where none is given."""
    return parse_policy(default_text(), where="default policy")


def policy_markdown() -> str:
    """Every field with its type, default and meaning, as Markdown tables."""
    lines = ["# Policy", "", (Policy.__doc__ or "").strip(), ""]
    pending: list[tuple[str, type[BaseModel]]] = [("", Policy)]
    while pending:
        prefix, model = pending.pop(0)
        if prefix:
            header = f"[[{prefix}]]" if model is Allowance else f"[{prefix}]"
            lines += [f"## `{header}`", "", (model.__doc__ or "").strip(), ""]
        lines += ["| field | default | meaning |", "|---|---|---|"]
        for name, field in model.model_fields.items():
            inner = _inner(field.annotation)
            dotted = f"{prefix}.{name}" if prefix else name
            if inner is not None:
                pending.append((f"{dotted}.CURRENCY" if name == "amounts" else dotted, inner))
                many = "tuple" in str(field.annotation)
                default = "a list of sections" if many else "a section"
            else:
                default = (
                    "required" if field.is_required() else f"`{_shown(field.get_default(call_default_factory=True))}`"
                )
            lines.append(f"| `{name}` | {default} | {field.description} |")
        lines.append("")
    return "\n".join(lines)


def _inner(annotation: Any) -> type[BaseModel] | None:
    """The section that a field holds, by itself or in a list or table."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    parts = [_inner(part) for part in getattr(annotation, "__args__", ())]
    return next((part for part in parts if part is not None), None)


def _shown(value: object) -> str:
    return json.dumps(list(value) if isinstance(value, tuple) else value, ensure_ascii=False, default=str)


def _plain(error: Any, count: int) -> str:
    given = error.get("input")
    more = f" (and {count - 1} more)" if count > 1 else ""
    if error["type"] == "missing":
        return f"is missing{more}"
    if error["type"] == "extra_forbidden":
        return f"there is no such field{more}"
    shown = "" if isinstance(given, Mapping) else f", got {given!r}"
    return f"{error['msg']}{shown}{more}"


def _advice(error: Any) -> str:
    if error["type"] == "extra_forbidden":
        return "remove it or correct its name; `ringfence policy show` prints every field"
    if error["type"] == "missing":
        return "add it; `ringfence policy show` prints the default document"
    return "`ringfence policy show` prints the default document with what each field means"
