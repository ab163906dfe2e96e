"""The policy's sections `[remedies]`, from where on which remedy applies, and `[rates]` of stores."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field

from integrity.policy_fields import Section, Share, as_tuple


class Remedies(Section):
    """What is done about a claim or an account beyond purchase limits. Bystanders of a ring are never touched."""

    store_score: Annotated[float, Field(ge=0, le=5, strict=False)] = Field(
        default=4.8,
        description="Stores of at least this score may use every remedy; others those of the platform only.",
    )
    no_refund_only_risk: Share = Field(
        default=0.9, description="A limited account of at least this risk gets money back against the goods only."
    )
    no_freight_cover_risk: Share = Field(
        default=0.9, description="A limited account of at least this risk pays the way back of its returns itself."
    )
    no_platform_intervention_risk: Share = Field(
        default=0.97,
        description="For a limited account of at least this risk the platform doesn't step in against a store.",
    )
    exclude_risk: Share = Field(
        default=0.9,
        description="Claims of a limited account of at least this risk don't count in the rates of stores.",
    )
    reject_risk: Share = Field(
        default=0.9,
        description="A claim is rejected without a person where the account acts with at least this risk and the claim "
        "or the account's own conduct speaks against it.",
    )
    own_claims: int = Field(
        default=3, ge=2, description="Claims of its own that an account's conduct is judged by, at least."
    )
    own_excess: Annotated[float, Field(ge=1, strict=False)] = Field(
        default=3.0, description="An account's conduct speaks against it from so many times the expected claims on."
    )
    claim_evidence_nats: Annotated[float, Field(ge=0, strict=False)] = Field(
        default=2.0, description="Evidence of a run about one claim counts from this weight on (nats)."
    )
    light_return_share: Share = Field(
        default=0.5, description="A return below this share of the shipped weight speaks against its claim."
    )


class Rates(Section):
    """How the rates of stores are counted."""

    quality_reasons: Annotated[tuple[str, ...], BeforeValidator(as_tuple)] = Field(
        default=("quality", "damaged", "missing_part", "not_as_described", "wrong_item"),
        description="Reason codes of claims that speak of the goods: what the quality-return rate counts.",
    )
    window_days: Annotated[int, Field(ge=1, le=3_650)] = Field(
        default=30, description="Length of the window where none is asked for."
    )
