"""The sentences of integrity by code, each in English and Chinese with the same values (售后: a claim; 投诉: a store's
report of one; 限购: purchases limited). `{x:past}` is the name of x in the language, from
`NAMES["past"]`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

Pair = tuple[str, str]

_RISK: Final = ("risk {risk:.2f} is at least {bound:g}", "风险 {risk:.2f}，达到 {bound:g}")
_STORES: Final = (_RISK[0] + ", at {stores} stores", _RISK[1] + "，涉及 {stores} 家店铺")
_STORE: Final = (_RISK[0] + ", at one store only", _RISK[1] + "，仅涉及一家店铺")
_CALM: Final = ("no new claim for {days} days", "{days} 天内没有新的售后申请")
_LATER: Final = ("; the whole platform if a later run finds it again", "；如后续检测再次发现，将在全平台限购")


def _and(one: Pair, more: Pair) -> Pair:
    return one[0] + more[0], one[1] + more[1]


_THEN_CALM: Final = ("; " + _CALM[0], "；" + _CALM[1])
_BAND: Final = ("a score of {score:g} is at least {bound:g}", "店铺评分 {score:g}，达到 {bound:g}")

SENTENCES: Final[Mapping[str, Pair]] = {
    # what decided a status
    "decided_calm": _CALM,
    "decided_stands_by": (
        "belongs to a ring without acting like it: watched, not limited",
        "与团伙有关联但未参与其行为：仅观察，不限购",
    ),
    "decided_watch": _RISK,
    "decided_few_claims": (
        "risk {risk:.2f}, but {claims} claims of its own where a limit needs {needed}: watched",
        "风险 {risk:.2f}，但自身售后仅 {claims} 笔，限购需达到 {needed} 笔：仅观察",
    ),
    "decided_watch_calm": (f"risk {{risk:.2f}}, but {_CALM[0]}: watched", f"风险 {{risk:.2f}}，但{_CALM[1]}：仅观察"),
    "decided_warned": _and(
        _RISK, (": warned first, limited if a later run finds it again", "：先行警示，如后续检测再次发现则限购")
    ),
    "decided_platform": _RISK,
    "decided_stores": _STORES,
    "decided_stores_calm": _and(_STORES, _THEN_CALM),
    "decided_stores_later": _and(_STORES, _LATER),
    "decided_store": _STORE,
    "decided_store_calm": _and(_STORE, _THEN_CALM),
    "decided_store_later": _and(_STORE, _LATER),
    "decided_judged": (
        "{by} ({role:role}) judged it {said:said}, {at}",
        "{by}（{role:role}）于 {at} 认定为{said:said}",
    ),
    "decided_no_ring": (
        "a person judged that {ring} is no ring: watched, not limited",
        "人工认定 {ring} 不是团伙：仅观察，不限购",
    ),
    # what would lift it
    "lift_watch": (
        "a run that finds risk below {bound:g} and no ring around the account",
        "后续检测发现风险低于 {bound:g} 且账户周围没有团伙",
    ),
    "lift_limit": (
        "ends by itself at {until}; earlier with a run that finds risk below {bound:g} or fewer than {needed} own "
        "claims; each {days} days without a new claim are a step down",
        "于 {until} 自动解除；后续检测发现风险低于 {bound:g} 或自身售后少于 {needed} 笔时提前解除；"
        "每满 {days} 天没有新的售后申请，减轻一级",
    ),
    "lift_judgement": (
        "the judgement {judgement} is withdrawn, by an appeal or by whoever made it",
        "认定 {judgement} 因申诉或由作出者撤回",
    ),
    "lift_no_ring": (
        "a run that finds less risk, or a judgement of the account itself",
        "后续检测发现风险降低，或对该账户本身作出认定",
    ),
    # what triage rests on, and why a person looks
    "triage_risk": ("the account's risk is {risk:.3f}", "该账户的风险为 {risk:.3f}"),
    "triage_expected": (
        "it claimed {claims} times where {expected:.1f} were expected of what it bought",
        "该账户申请售后 {claims} 次，按其所购商品预期为 {expected:.1f} 次",
    ),
    "triage_actor": ("the account acts with a ring", "该账户参与团伙行为"),
    "triage_refund_only": ("the claim keeps the goods", "该申请只退款不退货"),
    "triage_light": ("what came back weighs {share:.0%} of what was shipped", "退回包裹的重量为发货重量的 {share:.0%}"),
    "triage_sound": (
        "what came back weighs {share:.0%} of what was shipped: whole",
        "退回包裹的重量为发货重量的 {share:.0%}：完整退回",
    ),
    "triage_parcel": (
        "its return parcel was given for {claims} claims elsewhere",
        "同一退货包裹还用于另外 {claims} 笔售后",
    ),
    "triage_picture": ("one of its pictures was given by another account too", "其中有图片也被其他账户提交过"),
    "triage_reliability": (
        "{upheld} of {decided} decided complaints of this store were upheld",
        "该店铺的投诉成立 {upheld} 起，共 {decided} 起已有结论",
    ),
    "triage_eagerness": (
        "the store reports {filed} of {claims} claims",
        "该店铺投诉了 {filed} 笔售后，共有售后 {claims} 笔",
    ),
    "person_no_run": (
        "no run has been published, so nothing is known of the account",
        "尚未发布任何检测结果，对该账户一无所知",
    ),
    "person_accord": (
        "{stores} stores reported this buyer within {days} days, and little else speaks for it",
        "{stores} 家店铺在 {days} 天内投诉了该买家，此外少有其他依据",
    ),
    "person_unsure": (
        "probability {probability:.3f} lies between {low:g} and {high:g}",
        "概率 {probability:.3f} 介于 {low:g} 与 {high:g} 之间",
    ),
    "person_lot": (
        "drawn by lot, so that the error of what is decided at once is known",
        "随机抽中复核，以掌握自动裁定的错误率",
    ),
    # why a complaint can't be filed
    "refused_type": (
        "{type!r} is no type of complaint; choose one of {types}",
        "没有 {type!r} 这种投诉类型，请从 {types} 中选择",
    ),
    "refused_note": ("the note has more than {most} characters", "说明超过 {most} 个字符"),
    "refused_files": (
        "evidence is up to {most} names of 1 to 256 characters",
        "凭证最多 {most} 个名称，每个 1 至 256 个字符",
    ),
    "refused_unknown": ("there is no such claim", "没有这笔售后申请"),
    "refused_not_here": ("there is no such claim at this store", "本店没有这笔售后申请"),
    "refused_began": (
        "{by:party} began this refund: it is no claim of the buyer",
        "该退款由{by:party}发起，不是买家的售后申请",
    ),
    "refused_withdrawn": ("the buyer withdrew this claim", "买家已撤回该售后申请"),
    "refused_sent_back": ("the goods were sent back: not a refund-only claim", "商品已退回，不属于仅退款"),
    "refused_kept": ("nothing was to be sent back: a refund-only claim", "该申请仅退款，无需退货"),
    "refused_before": ("was reported before, as complaint {complaint}", "此前已投诉，投诉编号 {complaint}"),
    "refused_unfiled": ("was not filed", "未能提交"),
    # what a buyer whom an appeal healed is told
    "healed_clear": (
        "A review found that what was held against your account was wrong. Nothing limits it any more.",
        "经复核，此前对您账户的认定有误，现已解除全部限制。",
    ),
    "healed_note": (
        "A review found that what was noted about your account was wrong. The note was removed.",
        "经复核，此前对您账户的记录有误，现已删除。",
    ),
    "healed_eased": (
        "A review found that part of what was held against your account was wrong. Its limits were eased.",
        "经复核，此前对您账户的认定部分有误，现已放宽限制。",
    ),
    # what a buyer who appealed may see of it
    "appeal_told_open": (
        "The appeal of {at} is being looked at. It will be decided by {until}.",
        "{at} 提出的申诉正在处理，将于 {until} 前作出决定。",
    ),
    "appeal_told_overdue": (
        "The appeal of {at} was to be decided by {until}, and is still being looked at.",
        "{at} 提出的申诉原定于 {until} 前作出决定，目前仍在处理。",
    ),
    "appeal_told_upheld": (
        "The appeal of {at} was right. What was wrong has been corrected.",
        "{at} 提出的申诉成立，有误之处已更正。",
    ),
    "appeal_told_rejected": (
        "The appeal of {at} was looked at by a person and rejected.",
        "{at} 提出的申诉已由专人复核，未予支持。",
    ),
    "appeal_told_withdrawn": ("The appeal of {at} was taken back.", "{at} 提出的申诉已撤回。"),
    # why a run is held, or a policy was refused
    "held_share": (
        "would limit {limited} of {accounts} accounts ({share:.2%}), the policy allows {most:.2%}",
        "将限购 {limited} 个账户，共 {accounts} 个（{share:.2%}），策略允许 {most:.2%}",
    ),
    "held_fell": (
        "{what:counted} fell from {then:,} to {now:,} (by {fall:.2%}), the policy allows {most:.2%}",
        "{what:counted}从 {then:,} 降至 {now:,}（降幅 {fall:.2%}），策略允许 {most:.2%}",
    ),
    "held_limited": (
        "would limit {now:,} accounts ({share:.2%}) where {then:,} ({before:.2%}) are limited now, the policy allows a "
        "factor of {factor:g}",
        "将限购 {now:,} 个账户（{share:.2%}），目前限购 {then:,} 个（{before:.2%}），策略允许相差 {factor:g} 倍",
    ),
    "held_rings": (
        "found {now:,} rings where the published run has {then:,}, the policy allows a factor of {factor:g}",
        "发现 {now:,} 个团伙，已发布的检测结果中有 {then:,} 个，策略允许相差 {factor:g} 倍",
    ),
    "held_drift": (
        "risk drifts from verdicts: of {accounts:,} accounts with a verdict it expects {expected:.1%} to be abusive "
        "and {found:.1%} are, where the published run expected {then:.1%} and {before:.1%} were; the policy allows a "
        "move of {most:.1%}",
        "风险与结论出现偏移：已有结论的 {accounts:,} 个账户中，预计 {expected:.1%} 为滥用，实际 {found:.1%}；"
        "已发布的检测结果预计 {then:.1%}，实际 {before:.1%}；策略允许的变化为 {most:.1%}",
    ),
    # what is allowed in a policy and hardly meant
    "doubt_alone": (
        "statuses.alone_limited_risk ({risk:g}) is below store_limited_risk ({bound:g}), so it changes nothing",
        "单独行动的限购门槛 {risk:g} 低于店铺级限购门槛 {bound:g}，因此不起作用",
    ),
    "doubt_orders": (
        "{where:limited}: the orders of a day ({orders}) can never be reached within 30 days",
        "{where:limited}：单日订单数 {orders} 高于 30 天的上限，永远达不到",
    ),
    "doubt_amounts": (
        "{where:limited}.amounts.{currency}: the amount of a day is above that of 30 days",
        "{where:limited}的 {currency} 金额：单日上限高于 30 天的上限",
    ),
    "doubt_currencies": (
        "{where:limited} has no amounts in {currencies}: there only order counts hold",
        "{where:limited}未设 {currencies} 的金额上限：该币种只按订单数限制",
    ),
    "doubt_lacks": (
        "stages: stores from {above:g} lack {what}, which stores from {below:g} have",
        "分档：评分 {above:g} 以上的店铺没有 {what}，而评分 {below:g} 以上的店铺有",
    ),
    "doubt_later": (
        "stages: stores from {above:g} begin later ({since}) than stores from {below:g}",
        "分档：评分 {above:g} 以上的店铺自 {since} 才开始，晚于评分 {below:g} 以上的店铺",
    ),
    "doubt_share": (
        "publication.max_limited_share ({most:g}) would let a run limit {most:.0%} of all accounts",
        "发布门槛 {most:g} 意味着一次检测可以限购全部账户的 {most:.0%}",
    ),
    # what a store is entitled to
    "entitled_unknown": ("the platform gave no score of the store", "平台没有给出该店铺的评分"),
    "entitled": _BAND,
    "entitled_later": _and(_BAND, (", whose stage begins {at}", "，该档位自 {at} 起生效")),
    "entitled_ended": _and(_BAND, (", whose last stage has ended", "，该档位的最后阶段已经结束")),
    # why an order may come back, and what makes it less so
    "return_item": ("the item comes back oftener than others of the store", "该商品的退货多于本店其他商品"),
    "return_store": (
        "the store's orders come back oftener than others of the category",
        "本店订单的退货多于同类目其他店铺",
    ),
    "return_platform_check": ("the platform's check of the order", "平台对该订单的核查结果"),
    "return_new_account": (
        "nothing is known of the buyer yet: what the category brings is expected",
        "尚不了解该买家：按类目平均水平预期",
    ),
    "care_photo_at_packing": ("take a picture of the goods as they are packed", "打包时拍照留存"),
    "care_signature": ("have the parcel signed for", "要求签收"),
    "care_weighing_at_packing": ("weigh the parcel as it leaves", "发货时称重"),
    "care_freight_cover_off": ("leave return-freight cover off for such orders", "此类订单不提供运费险"),
    # what happened, in a case
    "event_opened": ("account {buyer} opened", "账户 {buyer} 注册"),
    "event_claim": (
        "{buyer} asks {amount} {currency} back at {store} ({kind:claim})",
        "{buyer} 在 {store} 申请退款 {amount} {currency}（{kind:claim}）",
    ),
    "event_refund": (
        "{by:party} refunds {buyer} {amount} {currency}",
        "{by:party}向 {buyer} 退款 {amount} {currency}",
    ),
    "event_claim_decided": ("claim {refund} {outcome:outcome}", "售后 {refund} {outcome:outcome}"),
    "event_report": ("the store reports claim {refund}: {type:report}", "店铺投诉售后 {refund}：{type:report}"),
    "event_report_decided": ("report {complaint} {verdict:verdict}", "投诉 {complaint} {verdict:verdict}"),
    "before_platform": ("{buyer} {decision:past} (platform)", "{buyer} {decision:past}（全平台）"),
    "before_store": ("{buyer} {decision:past} (store {store})", "{buyer} {decision:past}（店铺 {store}）"),
    "before_judged": (
        "{by} judged {target:target} {id} {said:said}; {state:judgement}",
        "{by} 认定{target:target} {id} 为{said:said}；{state:judgement}",
    ),
    "before_appeal": ("{buyer} appealed; {state:appeal}", "{buyer} 提出申诉；{state:appeal}"),
    "before_case": ("{case} on {target:target} {id}: {what:case}", "{case}（{target:target} {id}）：{what:case}"),
    # the frame of a case's brief
    "brief_head": (
        "{target:target} {id}, {accounts} accounts, {amount} claimed, confidence {confidence:.3f}. Opened {at} by {by}"
        "{assigned}; {state:case}.",
        "{target:target} {id}，{accounts} 个账户，申请退款 {amount}，置信度 {confidence:.3f}。{at} 由 {by} 立案"
        "{assigned}；{state:case}。",
    ),
    "brief_assigned": (", assigned to {to}", "，承办人 {to}"),
    "brief_run": ("By {run} as of {at}, policy {policy}.", "依据 {run}，数据截至 {at}，策略 {policy}。"),
    "brief_decided": (
        "Decided {decision:case} by {by}, {at}: {reason}",
        "{by} 于 {at} 结论：{decision:case}。{reason}",
    ),
    "brief_why": ("Why", "依据"),
    "brief_accounts": ("Accounts", "账户"),
    "brief_columns": ("account|role|probability|status|claims", "账户|角色|概率|状态|售后"),
    "brief_facts": ("Facts", "事实"),
    "brief_weights": (
        "Heaviest first, in nats; negative speaks against.",
        "按权重从高到低，单位 nat；负值表示不支持滥用。",
    ),
    "brief_timeline": ("Timeline", "时间线"),
    "brief_before": ("Decided before", "此前的处理"),
    "brief_nothing": ("Nothing.", "无。"),
}

NAMES: Final[Mapping[str, Mapping[str, Pair]]] = {
    "role": {
        "investigator": ("investigator", "调查员"),
        "senior_investigator": ("senior investigator", "高级调查员"),
    },
    "target": {
        "account": ("account", "账户"),
        "ring": ("ring", "团伙"),
        "link": ("link", "关联"),
        "identifier": ("identifier", "标识"),
        "record": ("record", "记录"),
    },
    "said": {
        "honest": ("honest", "正常"),
        "abusive": ("abusive", "滥用"),
        "not_a_ring": ("not a ring", "并非团伙"),
        "not_theirs": ("not theirs", "不属于该账户"),
        "public": ("public", "公共使用"),
        "struck": ("struck", "作废"),
        "inconclusive": ("inconclusive", "无法定论"),
    },
    "claim": {
        "refund_only": ("refund only", "仅退款"),
        "return_refund": ("return and refund", "退货退款"),
    },
    "party": {"buyer": ("the buyer", "买家"), "seller": ("the store", "店铺"), "platform": ("the platform", "平台")},
    "limited": {
        "platform": ("limits.platform", "全平台限购"),
        "store": ("limits.store", "店铺级限购"),
        "new_account": ("limits.new_account", "新账户限购"),
    },
    "counted": {
        "orders": ("orders", "订单数"),
        "claims": ("claims", "售后数"),
        "accounts": ("accounts", "账户数"),
    },
    "outcome": {
        "approved": ("approved", "通过"),
        "rejected": ("rejected", "驳回"),
        "withdrawn": ("withdrawn", "撤回"),
        "pending": ("pending", "处理中"),
    },
    "report": {
        "abnormal_refund_only": ("abnormal refund only", "异常仅退款"),
        "swapped_return": ("swapped return", "退货调包"),
        "false_return": ("false return", "虚假退货"),
        "fake_evidence": ("fake evidence", "虚假凭证"),
    },
    "verdict": {
        "upheld": ("upheld", "成立"),
        "dismissed": ("dismissed", "不成立"),
        "pending": ("pending", "处理中"),
    },
    "past": {"closed": ("closed", "被封禁"), "limited": ("limited", "被限制"), "lifted": ("lifted", "解除限制")},
    "judgement": {
        "proposed": ("proposed", "待复核"),
        "standing": ("standing", "有效"),
        "withdrawn": ("withdrawn", "已撤回"),
    },
    "appeal": {
        "open": ("open", "处理中"),
        "upheld": ("upheld", "成立"),
        "rejected": ("rejected", "驳回"),
        "withdrawn": ("withdrawn", "已撤回"),
    },
    "case": {
        "open": ("open", "办理中"),
        "decided": ("decided", "已有结论"),
        "closed": ("closed", "已结案"),
        "honest": ("honest", "正常"),
        "abusive": ("abusive", "滥用"),
        "inconclusive": ("inconclusive", "无法定论"),
    },
    "status": {
        "CLEAR": ("CLEAR", "正常 (CLEAR)"),
        "WATCH": ("WATCH", "观察 (WATCH)"),
        "STORE_LIMITED": ("STORE_LIMITED", "店铺级限购 (STORE_LIMITED)"),
        "PLATFORM_LIMITED": ("PLATFORM_LIMITED", "平台级限购 (PLATFORM_LIMITED)"),
    },
    "part": {"actor": ("actor", "参与者"), "bystander": ("bystander", "旁观者")},
}
"""What stands as a value in the records, by what it is a value of."""
