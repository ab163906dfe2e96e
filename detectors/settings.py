"""The settings of detection, each documented: the reference page is generated from this model."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class DetectionSettings(BaseModel):
    """What a person may change about detection. Defaults are stated in general terms, never fitted to one market."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    seed: int = Field(
        7, ge=0, description="Seed of the null model's draws and of Leiden. The same seed gives the same bytes."
    )
    ring_confidence: float = Field(
        0.8, ge=0, le=1, description="No ring is published that is real with less than this probability."
    )
    false_discovery: float = Field(
        0.05,
        ge=0,
        le=1,
        description="Rings are published, surest first, while the share of false ones among them stays within this.",
    )
    prior_abusers: float = Field(
        0.004,
        gt=0,
        le=0.2,
        description="Share of abusive accounts that is assumed before the market has been looked at.",
    )
    prior_weight: float = Field(
        2000,
        gt=0,
        description=(
            "How many accounts' worth of belief `prior_abusers` has; a market of many more accounts outweighs it."
        ),
    )
    max_abusers: float = Field(
        0.05,
        gt=0,
        le=0.5,
        description="The estimated share of abusive accounts never exceeds this, whatever the market.",
    )
    rounds: int = Field(
        3,
        ge=1,
        le=10,
        description="How often expectations and weights are estimated again, each time with probable abusers left out.",
    )
    link_ceiling: float = Field(
        0.35,
        gt=0,
        lt=1,
        description="Risk that shared identifiers alone can give an account whose own claims speak neither way.",
    )
    hub_buyers: int = Field(
        20, ge=3, description="Identifiers shared by at least this many accounts are listed as hubs with a verdict."
    )
    picture_distance: int = Field(
        7,
        ge=0,
        le=7,
        description="Evidence pictures whose 64-bit hashes differ in at most this many bits count as the same picture.",
    )
    lockstep_minutes: int = Field(
        180, ge=1, le=1440, description="Two claims at one store within this many minutes count as made together."
    )
    lockstep_times: int = Field(
        3, ge=2, description="How often two accounts must have claimed together before lockstep is considered."
    )
    lockstep_crowd: int = Field(
        30,
        ge=2,
        description="In a crowded hour each claim is compared with at most this many next claims at the store.",
    )
    null_draws: int = Field(
        24, ge=1, le=1000, description="Draws of honest markets against which candidate rings are held."
    )
    leiden_accounts: int = Field(
        8, ge=3, description="Connected groups with more accounts than this are cut into communities by Leiden."
    )
    leiden_resolution: float = Field(0.3, gt=0, description="Resolution of Leiden's modularity; higher cuts finer.")
    records_shown: int = Field(
        5,
        ge=1,
        description=(
            "Source records kept for one account and kind of evidence, heaviest first; their nats add up to the whole."
        ),
    )
    account_evidence_risk: float = Field(
        0.2, ge=0, le=1, description="Accounts outside rings have their evidence written out from this risk on."
    )
