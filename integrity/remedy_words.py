"""What is said of a remedy to the buyer and to the store, in English and Chinese.

The store's words say nothing of other stores, of other buyers or of rings: what rests on the account is "the platform's
check". `{until}` is the day on which a remedy ends.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from integrity.words import Words


class RemedyKind(StrEnum):
    """What can be done about a claim or an account."""

    REJECT_CLAIM = "reject_claim"
    STORE_LIMIT = "store_limit"
    PLATFORM_LIMIT = "platform_limit"
    NO_PLATFORM_INTERVENTION = "no_platform_intervention"
    EXCLUDE_FROM_STORE_RATES = "exclude_from_store_rates"
    NO_REFUND_ONLY = "no_refund_only"
    NO_FREIGHT_COVER = "no_freight_cover"
    MANUAL_REVIEW = "manual_review"


class RemedyReason(StrEnum):
    """Why a remedy applies. One reason a remedy; where several hold, the one that decided."""

    COMPLAINT_UPHELD = "complaint_upheld"
    COMPLAINT_PENDING = "complaint_pending"
    RETURN_TOO_LIGHT = "return_too_light"
    PICTURES_OF_OTHER_GOODS = "pictures_of_other_goods"
    PARCEL_OF_ANOTHER_RETURN = "parcel_of_another_return"
    CLAIMS_FAR_ABOVE_EXPECTED = "claims_far_above_expected"
    ACCOUNT_JUDGED = "account_judged"
    ACCOUNT_RISK = "account_risk"


NOTHING: Final = Words("", "")

TO_BUYER: Final[Mapping[RemedyKind, Words]] = {
    RemedyKind.REJECT_CLAIM: Words("This claim is rejected.", "本次售后申请不予通过。"),
    RemedyKind.STORE_LIMIT: Words(
        "Until {until} what you can buy is limited at some stores.", "在{until}之前，您在部分店铺的购买受到限制。"
    ),
    RemedyKind.PLATFORM_LIMIT: Words(
        "Until {until} what you can buy is limited on the whole platform.", "在{until}之前，您在本平台的购买受到限制。"
    ),
    RemedyKind.NO_PLATFORM_INTERVENTION: Words(
        "Until {until} the platform does not step in on your side about refunds; the store's answer holds.",
        "在{until}之前，平台不介入您的退款纠纷，以商家的处理结果为准。",
    ),
    RemedyKind.EXCLUDE_FROM_STORE_RATES: Words(
        "It does not count in the store's figures.", "该笔售后不计入店铺的统计指标。"
    ),
    RemedyKind.NO_REFUND_ONLY: Words(
        "Until {until} money comes back only once the goods have.", "在{until}之前，退款须先退回商品，不支持仅退款。"
    ),
    RemedyKind.NO_FREIGHT_COVER: Words(
        "Until {until} return-freight cover does not pay for your returns.", "在{until}之前，您的退货不享受退货包运费。"
    ),
    RemedyKind.MANUAL_REVIEW: Words("A person looks at it before it is decided.", "将由人工审核后再作决定。"),
}

TO_STORE: Final[Mapping[RemedyKind, Words]] = {
    RemedyKind.REJECT_CLAIM: Words(
        "The platform rejects this claim; there is nothing to pay.", "平台驳回该售后申请，您无需退款。"
    ),
    RemedyKind.STORE_LIMIT: Words("This buyer's purchases are limited for now.", "该买家的购买目前受到限制。"),
    RemedyKind.PLATFORM_LIMIT: Words("This buyer's purchases are limited for now.", "该买家的购买目前受到限制。"),
    RemedyKind.NO_PLATFORM_INTERVENTION: Words(
        "The platform does not step in on the buyer's side; your answer stands.", "平台不介入，以您的处理结果为准。"
    ),
    RemedyKind.EXCLUDE_FROM_STORE_RATES: Words(
        "This claim does not count in your store's rates.", "该笔售后不计入您店铺的指标。"
    ),
    RemedyKind.NO_REFUND_ONLY: Words(
        "You may ask for the goods back before you pay.", "您可以要求买家先退回商品再退款。"
    ),
    RemedyKind.NO_FREIGHT_COVER: Words(
        "Return-freight cover does not pay for this return.", "该笔退货不享受退货包运费。"
    ),
    RemedyKind.MANUAL_REVIEW: Words("A person looks at it before it is decided.", "将由人工审核后再作决定。"),
}

WHY_TO_BUYER: Final[Mapping[RemedyReason, Words]] = {
    RemedyReason.COMPLAINT_UPHELD: Words(
        "The store's report of this claim was examined and upheld.", "商家对该申请的举报经核实成立。"
    ),
    RemedyReason.COMPLAINT_PENDING: Words(
        "The store's report of this claim is being examined.", "商家对该申请的举报正在核实中。"
    ),
    RemedyReason.RETURN_TOO_LIGHT: Words(
        "What came back does not weigh what was sent.", "退回包裹的重量与发出的不符。"
    ),
    RemedyReason.PICTURES_OF_OTHER_GOODS: Words("The pictures are not of these goods.", "所提交的图片与本次商品不符。"),
    RemedyReason.PARCEL_OF_ANOTHER_RETURN: Words(
        "The parcel's number belongs to another return.", "退货运单号属于另一笔退货。"
    ),
    RemedyReason.CLAIMS_FAR_ABOVE_EXPECTED: Words(
        "This account claims far more often than others who bought the same.",
        "该账号的售后申请明显多于购买同类商品的其他买家。",
    ),
    RemedyReason.ACCOUNT_JUDGED: Words(
        "A person examined this account and found abuse of refunds.", "该账号经人工核查，认定存在滥用退款行为。"
    ),
    RemedyReason.ACCOUNT_RISK: Words(
        "What this account ordered and claimed looks like abuse of refunds.", "该账号的订单与售后行为有滥用退款的迹象。"
    ),
}

_CHECK: Final = Words("It rests on the platform's check.", "依据为平台的核查结果。")
WHY_TO_STORE: Final[Mapping[RemedyReason, Words]] = {
    RemedyReason.COMPLAINT_UPHELD: Words("Your report was examined and upheld.", "您的举报经核实成立。"),
    RemedyReason.COMPLAINT_PENDING: Words("Your report is being examined.", "您的举报正在核实中。"),
    RemedyReason.RETURN_TOO_LIGHT: WHY_TO_BUYER[RemedyReason.RETURN_TOO_LIGHT],
    RemedyReason.PICTURES_OF_OTHER_GOODS: WHY_TO_BUYER[RemedyReason.PICTURES_OF_OTHER_GOODS],
    RemedyReason.PARCEL_OF_ANOTHER_RETURN: WHY_TO_BUYER[RemedyReason.PARCEL_OF_ANOTHER_RETURN],
    RemedyReason.CLAIMS_FAR_ABOVE_EXPECTED: _CHECK,
    RemedyReason.ACCOUNT_JUDGED: _CHECK,
    RemedyReason.ACCOUNT_RISK: _CHECK,
}

_ENDS: Final = Words(
    "It ends by itself on {until}; earlier with a granted appeal, or when a later check finds no cause.",
    "将于{until}自动解除；申诉成立或后续核查未发现问题时提前解除。",
)
LIFTED: Final[Mapping[RemedyKind, Words]] = {
    RemedyKind.REJECT_CLAIM: Words("An appeal is examined by a person.", "如有异议可申诉，由人工复核。"),
    RemedyKind.STORE_LIMIT: _ENDS,
    RemedyKind.PLATFORM_LIMIT: _ENDS,
    RemedyKind.NO_PLATFORM_INTERVENTION: _ENDS,
    RemedyKind.EXCLUDE_FROM_STORE_RATES: Words(
        "It ends when what it rests on is taken back.", "其依据被撤销时恢复计入。"
    ),
    RemedyKind.NO_REFUND_ONLY: _ENDS,
    RemedyKind.NO_FREIGHT_COVER: _ENDS,
    RemedyKind.MANUAL_REVIEW: Words("It ends with that person's decision.", "人工作出决定后结束。"),
}

WARNING: Final = Words(
    "Your refund claims stand out. Nothing is limited; claims that go on like this may lead to limits.",
    "您的售后申请较为异常。目前未作任何限制；如继续出现此类情况，购买可能受到限制。",
)
