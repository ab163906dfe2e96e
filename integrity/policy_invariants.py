"""The policy's section `[invariants]`: what must hold of a run before readers see it, besides the share of limited."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from integrity.policy_fields import Section, Share

Factor = Annotated[float, Field(gt=1, strict=False)]


class Invariants(Section):
    """What must hold of a run, held against the run that readers see. One that breaks it is held for a person."""

    max_rows_fall: Share = Field(
        default=0.01, description="Orders, claims and accounts may be fewer by no more than this share."
    )
    limited_factor: Factor = Field(
        default=3.0,
        description="The share of limited accounts may be at most this many times as large, and no less than this many "
        "times as small.",
    )
    ignore_limited: int = Field(
        default=20, ge=0, description="A change by no more limited accounts than this is never held."
    )
    rings_factor: Factor = Field(
        default=3.0, description="There may be at most this many times as many rings, and no fewer the other way."
    )
    ignore_rings: int = Field(default=10, ge=0, description="A change by no more rings than this is never held.")
    max_calibration_drift: Share = Field(
        default=0.1,
        description="Mean risk less the share found abusive, over accounts with a verdict, may move by no more than "
        "this.",
    )
    minimum_verdicts: int = Field(
        default=50, ge=1, description="With fewer accounts with a verdict, in either run, calibration is not compared."
    )
