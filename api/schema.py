"""The GraphQL schema, assembled from the domains. Its text is committed as `api/schema.graphql`.

`python -m api.schema` prints that text; a test compares the two.
"""

from __future__ import annotations

import sys
from functools import cache

import strawberry
from graphql import GraphQLSchema
from strawberry.schema.config import StrawberryConfig

from api.domains.account import AccountQuery
from api.domains.acts import ActsQuery
from api.domains.case import CaseMutation, CaseQuery
from api.domains.case_bundle import CaseBundleQuery
from api.domains.complaint import ComplaintMutation, ComplaintQuery
from api.domains.evidence import EvidenceQuery
from api.domains.identifier import IdentifierQuery
from api.domains.judgement import JudgementMutation, JudgementQuery
from api.domains.my_store import MyStoreQuery
from api.domains.order import OrderQuery
from api.domains.path import PathQuery
from api.domains.policy_book import PolicyMutation, PolicyQuery
from api.domains.policy_shadow import PolicyShadowMutation, PolicyShadowQuery
from api.domains.policy_trial import PolicyTrialMutation, PolicyTrialQuery
from api.domains.purchase_limit import PurchaseLimitQuery
from api.domains.refund import RefundQuery
from api.domains.remedy import RemedyQuery
from api.domains.replay import ReplayQuery
from api.domains.reservation import ReservationMutation
from api.domains.return_risk import ReturnRiskQuery
from api.domains.ring import RingQuery
from api.domains.run import RunMutation, RunQuery
from api.domains.run_book import RunBookMutation
from api.domains.store import StoreQuery
from api.errors import ErrorCode
from api.scalars import scalar_map


@strawberry.type(description="What can be asked. `api.access` says which role may ask which field.")
class Query(
    AccountQuery,
    RingQuery,
    RunQuery,
    StoreQuery,
    OrderQuery,
    RefundQuery,
    EvidenceQuery,
    IdentifierQuery,
    PathQuery,
    PurchaseLimitQuery,
    MyStoreQuery,
    CaseQuery,
    CaseBundleQuery,
    ComplaintQuery,
    JudgementQuery,
    ActsQuery,
    RemedyQuery,
    ReturnRiskQuery,
    PolicyQuery,
    PolicyTrialQuery,
    PolicyShadowQuery,
    ReplayQuery,
):
    """All root fields that read."""


@strawberry.type(description="What can be done.")
class Mutation(
    RunMutation,
    RunBookMutation,
    ReservationMutation,
    ComplaintMutation,
    JudgementMutation,
    CaseMutation,
    PolicyMutation,
    PolicyTrialMutation,
    PolicyShadowMutation,
):
    """All root fields that act."""


@cache
def strawberry_schema() -> strawberry.Schema:
    """The schema; built once, since it depends on nothing but the code."""
    return strawberry.Schema(Query, Mutation, types=[ErrorCode], config=StrawberryConfig(scalar_map=scalar_map()))


def core_schema() -> GraphQLSchema:
    """The schema as graphql-core executes it."""
    return strawberry_schema()._schema


def sdl() -> str:
    """The schema in the schema definition language, types sorted, ending in a newline."""
    return strawberry_schema().as_str().rstrip() + "\n"


if __name__ == "__main__":
    sys.stdout.write(sdl())
