"""The policy's sections `[remedies]`, from where on which remedy applies, `[rates]` of stores, and `[return_risk]`."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import BeforeValidator, Field, model_validator

from integrity.policy_fields import Section, Share, as_tuple


class Remedies(Section):
    """What is done about a claim or an account beyond purchase limits. Bystanders of a ring are never touched."""

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


class ReturnRisk(Section):
    """When a store is warned that an order may come back. Levels are held against the category, so that a shop for
    clothes is not warned of everything."""

    medium_lift: Annotated[float, Field(ge=1, strict=False)] = Field(
        default=1.5, description="MEDIUM from so many times the claims that orders of the category bring."
    )
    high_lift: Annotated[float, Field(ge=1, strict=False)] = Field(
        default=3.0, description="HIGH from so many times the claims that orders of the category bring."
    )
    high_probability: Share = Field(
        default=0.2, description="HIGH only where a claim is at least this probable, however rare claims are."
    )
    ripe_days: Annotated[int, Field(ge=1, le=365)] = Field(
        default=30, description="Orders younger than this before `as_of` teach nothing: their claims are still to come."
    )

    @model_validator(mode="after")
    def _rising(self) -> Self:
        if self.medium_lift > self.high_lift:
            raise ValueError("medium_lift must not be above high_lift")
        return self
