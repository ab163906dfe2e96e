"""The limits of a run's decisions, as checkout holds them."""

from __future__ import annotations

import pyarrow as pa

from integrity.checkout import AccountDecision, Status
from integrity.columns import rows_of

_LIMITED = (Status.STORE_LIMITED.value, Status.PLATFORM_LIMITED.value)


def limits_of(decisions: pa.Table) -> dict[str, AccountDecision]:
    """The limits of the limited accounts among the rows of `run_decisions`, as checkout holds them."""
    found = {}
    for row in rows_of(decisions):
        if row["status"] in _LIMITED:
            found[row["buyer_id"]] = AccountDecision(
                Status(row["status"]),
                row["limit_orders_1d"],
                row["limit_orders_30d"],
                row["limit_amount_1d"],
                row["limit_amount_30d"],
                row["limit_quantity"],
                row["currency"],
                frozenset(row["limit_store_ids"]),
                row["expires_at"],
            )
    return found
