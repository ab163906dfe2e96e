"""The sentences in Chinese, as a marketplace's risk team writes them (售后申请: a claim; 仅退款: refund-only)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

Values = Mapping[str, Any]

NOUNS: Final = {
    "shared_device": ("台", "设备"),
    "shared_door": ("处", "门牌地址"),
    "shared_phone": ("个", "手机号"),
    "shared_payment": ("个", "支付账户"),
    "shared_ip": ("个", " IP 地址"),
    "shared_picture": ("张", "售后凭证图片"),
    "shared_parcel": ("个", "退货包裹"),
    "same_targets": ("组", "同店同期的售后记录"),
    "comeback": ("条", "指向已封禁或受限账户的关联线索"),
    "lockstep": ("组", "同店同时段的同步售后记录"),
}
"""Measure word and noun of each link detector's keys."""
TITLES: Final = {
    "shared_device": "使用同一台设备",
    "shared_door": "收货到同一门牌地址",
    "shared_phone": "使用同一手机号",
    "shared_payment": "使用同一支付账户",
    "shared_ip": "使用同一 IP 地址",
    "shared_picture": "提交几乎相同的售后凭证图片",
    "shared_parcel": "同一退货包裹用于多笔退款",
    "same_targets": "有共用标识，且在同一时期对相同店铺发起售后",
    "comeback": "被平台封禁或限制后换号重来",
    "lockstep": "在数小时内对相同店铺同步发起售后",
    "activity": "下单数量",
    "claim_excess": "售后申请多于其购物情况的预期",
    "refund_only_excess": "仅退款申请多于其订单的预期",
    "swapped_return": "退回重量与发货重量不符",
    "complaints": "商家投诉其售后申请",
    "bursts": "售后申请集中在短时间内",
    "repeated_stores": "售后申请集中在少数店铺",
}
"""What each detector finds."""
_PLACES: Final = {
    "device": "设备",
    "door": "门牌地址",
    "building": "楼栋",
    "phone": "手机号",
    "payment": "支付账户",
    "ip": "IP 地址",
}
_FATES: Final = {"pending": "处理中", "upheld": "成立", "dismissed": "驳回"}
_VERDICTS: Final = {
    "abusive": "这些账户的售后大多超出预期，属于协同行为",
    "benign": "这些账户的行为并不一致，共用不说明问题",
    "unclear": "尚不能判断这些账户是否协同",
}


def _crowd(v: Values) -> str:
    return f"这些账户共发起 {v['claims']} 笔售后，按其购物情况预期为 {v['expected']:.1f} 笔"


_JOINED: Final = {
    "same_targets": "有共用标识，且同期对相同店铺发起售后",
    "comeback": "都关联到同一已封禁或受限的账户",
    "lockstep": "在数小时内对相同店铺同步发起售后",
    "shared_parcel": "用同一退货包裹申请多笔退款",
}
"""What accounts do together, where a detector's title speaks of one."""


def _apart(v: Values) -> str:
    return "（用于不同类目的商品）" if v.get("apart") else ""


def _link(v: Values) -> str:
    kind = v["kind"]
    return f"与另外 {v['accounts']} 个账户{_JOINED.get(kind, TITLES[kind])}{_apart(v)}，{_crowd(v)}"


def _links(v: Values) -> str:
    measure, noun = NOUNS[v["kind"]]
    verb = "共有" if v["kind"] in ("same_targets", "comeback", "lockstep") else "共用"
    return f"与另外 {v['accounts']} 个账户{verb} {v['keys']} {measure}{noun}{_apart(v)}，{_crowd(v)}"


def _complaints(v: Values) -> str:
    named = "、".join(f"{name} {v[fate]} 起" for fate, name in _FATES.items() if v.get(fate))
    return f"商家投诉过其售后申请（{named}），已按这些商家的投诉频率折算"


def _weights(v: Values) -> str:
    off = "、".join(f"{ratio:.0%}" for ratio in v["ratios"])
    return (
        f"退回包裹的重量仅为发货重量的 {off}，正常退货很少如此"
        if max(v["ratios"]) < 1
        else (f"退回包裹的重量为发货重量的 {off}，正常退货很少如此")
    )


def _surge(v: Values) -> str:
    where = f"店铺 {v['store']} 的商品 {v['item']}" if v["item"] else f"店铺 {v['store']}"
    return (
        f"其中 {v['claims']} 笔售后处于集中售后期：{where} 有 {v['people']:.0f} 名互不相关的买家申请售后，"
        f"预期为 {v['due']:.1f} 笔"
    )


def _hub(v: Values) -> str:
    place = _PLACES.get(v["kind"], v["kind"])
    return (
        f"{v['accounts']} 个账户共用的{place}，共 {v['claims']} 笔售后，按其购物情况预期为 {v['expected']:.1f} 笔；"
        f"{_VERDICTS[v['verdict']]}"
    )


def _ring_links(v: Values) -> str:
    measure, noun = NOUNS[v["kind"]]
    return f"其中 {v['accounts']} 个账户由 {v['keys']} {measure}{noun}相互关联"


SAYS: Final[Mapping[str, Callable[[Values], str]]] = {
    "link": _link,
    "links": _links,
    "activity_unlike": lambda v: f"下单 {v['orders']} 笔，滥用退款的账户很少下这个数量的订单",
    "claim_excess": lambda v: (
        f"在 {v['orders']} 笔订单中发起 {v['claims']} 笔售后，按其购物情况预期为 {v['expected']:.1f} 笔"
    ),
    "refund_only": lambda v: f"{v['claims']} 笔售后中有 {v['only']} 笔为仅退款，按其订单预期为 {v['expected']:.1f} 笔",
    "weights_even": lambda _: "退回包裹的重量与发货重量一致",
    "weights_off": _weights,
    "complaints_none": lambda _: "没有商家投诉过其售后申请",
    "complaints": _complaints,
    "bursts_spread": lambda _: "售后申请随其订单分散在不同时间，没有集中",
    "bursts_crowded": lambda _: "账户年龄和售后申请的集中程度与滥用退款的账户相符",
    "repeated_stores": lambda v: (
        f"{v['claims']} 笔售后集中在 {v['stores']} 家店铺，按其自身订单应分布在约 {v['expected']:.1f} 家"
    ),
    "comeback_decided": lambda _: "平台此前曾封禁或限制该账户",
    "comeback_linked": lambda _: "在平台封禁或限制与其共用标识的账户之后才首次出现",
    "parcel": lambda v: f"用同一退货包裹应付不同店铺的 {v['claims']} 笔售后",
    "surge": _surge,
    "hub_benign": lambda v: f"所用{NOUNS[v['kind']][1]}由 {v['accounts']} 个账户共用，这些账户行为并不一致：属正常共用",
    "link_benign": lambda v: f"所用{NOUNS[v['kind']][1]}与另外 {v['accounts']} 个账户共用，{_crowd(v)}：属正常共用",
    "link_own": lambda v: (
        f"所用{NOUNS[v['kind']][1]}与另外 {v['accounts']} 个账户共用，{_crowd(v)}，"
        "但其中多数账户晚于本账户开始使用：不能说明本账户参与其中"
    ),
    "ring_claims": lambda v: (
        f"{v['accounts']} 个账户共发起 {v['claims']} 笔售后，按其购物情况预期为 {v['expected']:.1f} 笔"
    ),
    "ring_links": _ring_links,
    "ring_conduct": lambda v: f"其中 {v['accounts']} 个账户：{TITLES[v['kind']]}",
    "ring_chance": lambda v: f"在关联关系相同的正常市场中，偶然出现这样一组账户的概率为 {v['share']:.2%}",
    "hub": _hub,
}
"""Every sentence by its name; the same names as in English."""
