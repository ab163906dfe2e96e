"""The sentences in English: what is stored with a run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

Values = Mapping[str, Any]

NOUNS: Final = {
    "shared_device": ("device", "devices"),
    "shared_door": ("door", "doors"),
    "shared_phone": ("phone number", "phone numbers"),
    "shared_payment": ("payment instrument", "payment instruments"),
    "shared_ip": ("IP address", "IP addresses"),
    "shared_picture": ("evidence picture", "evidence pictures"),
    "shared_parcel": ("return parcel", "return parcels"),
    "same_targets": (
        "pattern of claims at the same stores in the same weeks",
        "patterns of claims at the same stores and weeks",
    ),
    "comeback": ("trace of an account closed or limited earlier", "traces of accounts closed or limited earlier"),
    "lockstep": ("rhythm of claims at the same stores in the same hours", "rhythms of claims in the same hours"),
}
"""What each link detector's keys are called, one and several."""
TITLES: Final = {
    "shared_device": "the same device",
    "shared_door": "the same door",
    "shared_phone": "the same phone number",
    "shared_payment": "the same payment instrument",
    "shared_ip": "the same IP address",
    "shared_picture": "nearly the same picture as proof",
    "shared_parcel": "one return parcel for several refunds",
    "same_targets": "an identifier and claims at the same stores in the same weeks",
    "comeback": "back after the platform had closed or limited it",
    "lockstep": "claims at the same stores in the same hours",
    "activity": "orders placed",
    "claim_excess": "more claims than the baskets predict",
    "refund_only_excess": "more refund-only claims than the orders predict",
    "swapped_return": "returns that weigh differently from what was shipped",
    "complaints": "stores' complaints of its claims",
    "bursts": "claims crowded into a short time",
    "repeated_stores": "claims that keep to few stores",
}
"""What each detector finds."""
_VERDICTS: Final = {
    "abusive": "most of what its accounts claim is beyond their baskets: they act together",
    "benign": "its accounts do not act alike: sharing it says nothing",
    "unclear": "its accounts do not tell whether they act together",
}


def _claims(count: int) -> str:
    return f"{count} claim" + ("s" if count != 1 else "")


def _orders(count: int) -> str:
    return f"{count} order" + ("s" if count != 1 else "")


def _stores(count: int) -> str:
    return f"{count} store" + ("s" if count != 1 else "")


def _accounts(count: int) -> str:
    return f"{count} other account" + ("s" if count != 1 else "")


def _noun(v: Values) -> str:
    one, many = NOUNS[v["kind"]]
    return one if v["keys"] == 1 else many


def _apart(v: Values) -> str:
    return ", for goods of different trades," if v.get("apart") else ""


def _crowd(v: Values) -> str:
    expected = f"{v['expected']:.1f}"
    return f"{_accounts(v['accounts'])} that filed {_claims(v['claims'])} where their baskets predict {expected}"


def _complaints(v: Values) -> str:
    named = ", ".join(f"{v[fate]} {fate}" for fate in ("pending", "upheld", "dismissed") if v.get(fate))
    return f"stores complained of its claims: {named}, weighed by how often these stores complain"


def _weights(v: Values) -> str:
    off = ", ".join(f"{ratio:.0%}" for ratio in v["ratios"])
    return f"its returns weigh {off} of what was shipped, as honest returns seldom do"


def _surge(v: Values) -> str:
    what = f"item {v['item']} of " if v["item"] else ""
    return (
        f"{_claims(v['claims'])} of its own lie in a surge: {what}store {v['store']}: claims of {v['people']:.0f} "
        f"unrelated people where {v['due']:.1f} were expected"
    )


def _hub(v: Values) -> str:
    return (
        f"{v['kind']} of {v['accounts']} accounts with {v['claims']} claims where their baskets predict "
        f"{v['expected']:.1f}; {_VERDICTS[v['verdict']]}"
    )


SAYS: Final[Mapping[str, Callable[[Values], str]]] = {
    "link": lambda v: f"shares {TITLES[v['kind']]}{_apart(v)} with {_crowd(v)}",
    "links": lambda v: f"shares {v['keys']} {_noun(v)}{_apart(v)} with {_crowd(v)}",
    "activity_unlike": lambda v: f"it placed {_orders(v['orders'])}; few accounts that abuse refunds place that many",
    "claim_excess": lambda v: (
        f"filed {_claims(v['claims'])} on {v['orders']} orders where its baskets predict {v['expected']:.1f}"
    ),
    "refund_only": lambda v: (
        f"{v['only']} of its {_claims(v['claims'])} are refund-only where its orders predict {v['expected']:.1f}"
    ),
    "weights_even": lambda _: "its returns weigh what was shipped",
    "weights_off": _weights,
    "complaints_none": lambda _: "no store complained of its claims",
    "complaints": _complaints,
    "bursts_spread": lambda _: "its claims are spread over time as its orders are",
    "bursts_crowded": lambda _: (
        "its age and the crowding of its claims in time are those of accounts that abuse refunds"
    ),
    "repeated_stores": lambda v: (
        f"its {_claims(v['claims'])} are at {_stores(v['stores'])} where as many of its own orders would be at "
        f"{v['expected']:.1f}"
    ),
    "comeback_decided": lambda _: "the platform itself closed or limited it earlier",
    "comeback_linked": lambda _: (
        "first seen after the platform had closed or limited an account with which it shares identifiers"
    ),
    "parcel": lambda v: f"gave one return parcel for claims at different stores ({_claims(v['claims'])})",
    "surge": _surge,
    "hub_benign": lambda v: (
        f"its {NOUNS[v['kind']][0]} is shared by {v['accounts']} accounts that do not act alike: benign"
    ),
    "link_benign": lambda v: f"its {NOUNS[v['kind']][0]} is shared with {_crowd(v)}: benign",
    "link_own": lambda v: (
        f"its {NOUNS[v['kind']][0]} is shared with {_crowd(v)}, most of whom came later: no sign of its acting"
    ),
    "ring_claims": lambda v: (
        f"{v['accounts']} accounts filed {_claims(v['claims'])} where their baskets predict {v['expected']:.1f}"
    ),
    "ring_links": lambda v: f"{v['accounts']} of them are joined by {v['keys']} shared {_noun(v)}",
    "ring_conduct": lambda v: f"{v['accounts']} of them: {TITLES[v['kind']]}",
    "ring_chance": lambda v: (
        f"honest markets with the same links bring such a group by chance in {v['share']:.2%} of cases"
    ),
    "hub": _hub,
}
"""Every sentence by its name."""
