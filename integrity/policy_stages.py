"""The policy's section `[stages]`: what a store may use, by its score and by the day."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal, Self, get_args

from pydantic import BeforeValidator, Field, model_validator

from integrity.policy_fields import Day, Section, as_tuple

Entitlement = Literal[
    "file_complaints",
    "return_risk_warnings",
    "reject_claim",
    "store_limit",
    "platform_limit",
    "no_platform_intervention",
    "exclude_from_store_rates",
    "no_refund_only",
    "no_freight_cover",
    "manual_review",
]
"""What a store can be given: two things that it does itself, and the remedies."""

ENTITLEMENTS: tuple[str, ...] = get_args(Entitlement)

_List = Annotated[tuple[Entitlement, ...], BeforeValidator(as_tuple)]

_BASIC: tuple[Entitlement, ...] = ("file_complaints", "return_risk_warnings", "platform_limit", "manual_review")


class Band(Section):
    """Stores of a score, from a day on. Bands of one score are its stages in time."""

    at_least: Annotated[float, Field(ge=0, le=5, strict=False)] = Field(
        description="Stores of at least this experience score belong to the band, up to the next higher one."
    )
    since: Day | None = Field(default=None, description="First day (UTC) of the stage; absent is from the beginning.")
    until: Day | None = Field(
        default=None, description="First day after the stage; absent is until the band's next stage, or without end."
    )
    entitlements: _List = Field(description=f"What these stores may use: {', '.join(ENTITLEMENTS)}.")

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.since is not None and self.until is not None and self.until <= self.since:
            raise ValueError(f"until ({self.until}) must come after since ({self.since})")
        twice = sorted({one for one in self.entitlements if self.entitlements.count(one) > 1})
        if twice:
            raise ValueError(f"{', '.join(twice)} is named twice")
        return self


def _default_bands() -> tuple[Band, ...]:
    middle: tuple[Entitlement, ...] = ("reject_claim", "store_limit", "exclude_from_store_rates", "no_freight_cover")
    return (
        Band(at_least=4.8, entitlements=ENTITLEMENTS),  # type: ignore[arg-type]  # the same names, as text
        Band(at_least=4.5, entitlements=(*_BASIC, *middle, "no_refund_only")),
        Band(at_least=4.0, entitlements=(*_BASIC, *middle)),
        Band(at_least=0.0, entitlements=_BASIC),
    )


class Stages(Section):
    """What a store may use, by its score: bands from the highest to 0, without overlap and without gap."""

    unknown_score: _List = Field(
        default=_BASIC, description="What a store may use whose score the platform did not give."
    )
    bands: Annotated[tuple[Band, ...], BeforeValidator(as_tuple)] = Field(
        default_factory=_default_bands,
        description="Highest score first; bands of one score are its stages in time, earliest first.",
    )

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if not self.bands:
            raise ValueError("there is no band; write at least one, with at_least = 0")
        for above, below in zip(self.bands, self.bands[1:], strict=False):
            if below.at_least > above.at_least:
                raise ValueError(
                    f"bands overlap: at_least {below.at_least:g} stands below {above.at_least:g}; highest score first"
                )
            if below.at_least == above.at_least:
                _follows(above, below)
        lowest = self.bands[-1].at_least
        if lowest > 0:
            raise ValueError(
                f"bands leave a gap: scores below {lowest:g} have none; add one with at_least = 0, "
                "with entitlements = [] where nothing is meant"
            )
        return self


def stages_of(bands: Sequence[Band], at_least: float) -> list[Band]:
    """The stages in time of one score band, earliest first."""
    return [band for band in bands if band.at_least == at_least]


def _follows(first: Band, then: Band) -> None:
    """Raise `ValueError` unless the stage `then` begins exactly where `first`, of the same score, ends."""
    who = f"stages of at_least {first.at_least:g}"
    if then.since is None or (first.since is not None and then.since <= first.since):
        raise ValueError(f"{who} overlap: each later one needs a `since` after the one before")
    if first.until is not None and first.until > then.since:
        raise ValueError(f"{who} overlap: one ends {first.until}, the next begins {then.since}")
    if first.until is not None and first.until < then.since:
        raise ValueError(f"{who} leave a gap: one ends {first.until}, the next begins {then.since}")
