"""The command group `policy`, put together from its parts: each adds its commands when it is read in."""

from __future__ import annotations

from cli import policy_publishing, policy_shadow
from cli.policies import policy

PARTS = (policy_publishing, policy_shadow)
__all__ = ["PARTS", "policy"]
