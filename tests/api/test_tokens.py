"""Tokens and roles: who gets in, who may ask what, expiry and revocation."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator

import jwt
import pytest
from graphql import GraphQLObjectType, GraphQLUnionType, get_named_type

from api.access import FIELD_ROLES, STORE_SCOPED
from api.reference import roles_markdown
from api.schema import core_schema
from api.tokens import Role, decode, make_token, revoke
from graph.errors import BadInput, KeyProblem
from graph.open import open_store
from graph.store import Store
from tests.api import market
from tests.api.conftest import TOKEN_KEY, Asked, Serve, serving

NOW = market.NOW


def status_of(api: Asked, token: str | None, query: str = "{ run { id } }") -> tuple[int, str | None]:
    response = api.post({"query": query}, token=token)
    errors = response.json().get("errors")
    return response.status_code, errors and errors[0]["extensions"]["code"]


def test_every_query_needs_a_token_introspection_included(api: Asked) -> None:
    for query in ("{ run { id } }", "{ __typename }", "{ __schema { queryType { name } } }", "not a query"):
        assert status_of(api, None, query) == (401, "UNAUTHENTICATED")
    response = api.post({"query": "{ __typename }"}, token=None)
    assert response.headers["www-authenticate"] == "Bearer"
    assert response.headers["content-type"].startswith("application/json")


@pytest.mark.parametrize("role", [role.value for role in Role])
def test_every_role_may_introspect(api: Asked, role: str) -> None:
    assert api.data("{ __schema { queryType { name } } }", role=role) == {"__schema": {"queryType": {"name": "Query"}}}


def forged(algorithm: str, key: str, **changes: object) -> str:
    claims = {"sub": "x", "role": "investigator", "iat": NOW // 10**6, "exp": NOW // 10**6 + 60, "jti": "j"}
    claims = {name: value for name, value in {**claims, **changes}.items() if value is not None}
    return jwt.encode(claims, key, algorithm=algorithm)


def unsigned() -> str:
    def part(value: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    claims = {"sub": "x", "role": "investigator", "iat": 1, "exp": NOW, "jti": "j"}
    return f"{part({'alg': 'none', 'typ': 'JWT'})}.{part(claims)}."


@pytest.mark.parametrize(
    "token",
    [
        "",
        "x",
        "a.b.c",
        unsigned(),
        forged("HS256", "another key that is long enough, too"),
        forged("HS512", TOKEN_KEY),
        forged("HS256", TOKEN_KEY, role="admin"),
        forged("HS256", TOKEN_KEY, role=None),
        forged("HS256", TOKEN_KEY, role="store"),
        forged("HS256", TOKEN_KEY, role="store", store_id=""),
        forged("HS256", TOKEN_KEY, exp=None),
        forged("HS256", TOKEN_KEY, jti=None),
        forged("HS256", TOKEN_KEY, sub=None),
        "Bearer " + forged("HS256", TOKEN_KEY),
        "é",
    ],
)
def test_a_forged_or_malformed_token_is_refused(api: Asked, token: str) -> None:
    response = api.client.post(
        "/graphql", json={"query": "{ run { id } }"}, headers={"authorization": f"Bearer {token}".encode()}
    )
    assert response.status_code == 401
    assert response.json()["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"


def test_a_token_expires_even_after_it_has_been_accepted(api: Asked) -> None:
    token = api.token("investigator", ttl=10)
    assert status_of(api, token) == (200, None)
    api.clock[0] += 10_000_000
    assert status_of(api, token) == (401, "UNAUTHENTICATED")


def test_tokens_expire_by_the_wall_clock_even_where_old_data_is_tried(store: Store, serve: Serve) -> None:
    api = serve(now=lambda: NOW - 365 * market.DAY)
    token = api.token("investigator", ttl=10)
    assert status_of(api, token) == (200, None)
    api.clock[0] += 10_000_000
    assert status_of(api, token) == (401, "UNAUTHENTICATED")


def test_a_revoked_token_is_refused_within_a_second(api: Asked, store: Store) -> None:
    token, other = api.token("investigator"), api.token("investigator")
    assert status_of(api, token) == (200, None)
    revoke(store, decode(TOKEN_KEY, token).jti, at=NOW, by="test")
    deadline = time.monotonic() + 1.0
    while status_of(api, token) == (200, None) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert status_of(api, token) == (401, "UNAUTHENTICATED")
    assert status_of(api, other) == (200, None)


def test_tokens_are_made_with_all_claims_and_refused_without_sense() -> None:
    token = make_token(TOKEN_KEY, Role.ORDER_SERVICE, subject="shop", now=NOW, ttl=60, store_id="s-1")
    made = decode(TOKEN_KEY, token)
    assert (made.subject, made.role, made.store_id) == ("shop", Role.ORDER_SERVICE, "s-1")
    assert made.expires_at == NOW + 60_000_000
    assert made.jti != decode(TOKEN_KEY, make_token(TOKEN_KEY, "scheduler", subject="s", now=NOW, ttl=60)).jti
    with pytest.raises(KeyProblem, match="RINGFENCE_TOKEN_KEY"):
        make_token("short", "scheduler", subject="s", now=NOW, ttl=60)
    with pytest.raises(BadInput, match="is no role"):
        make_token(TOKEN_KEY, "root", subject="s", now=NOW, ttl=60)
    with pytest.raises(BadInput, match="subject"):
        make_token(TOKEN_KEY, "scheduler", subject="", now=NOW, ttl=60)
    with pytest.raises(BadInput, match="must name its store"):
        make_token(TOKEN_KEY, "store", subject="s", now=NOW, ttl=60)
    with pytest.raises(BadInput, match="second"):
        make_token(TOKEN_KEY, "scheduler", subject="s", now=NOW, ttl=0)


def test_a_server_without_a_token_key_does_not_start(serve: Serve) -> None:
    with pytest.raises(KeyProblem):
        serve(token_key="short")


QUESTIONS = {
    "Query.account": '{ account(id: "b-01") { id } }',
    "Query.accounts": "{ accounts { totalCount } }",
    "Query.ring": '{ ring(id: "ring-0a") { id } }',
    "Query.rings": "{ rings { totalCount } }",
    "Query.run": "{ run { id } }",
    "Query.runs": "{ runs { totalCount } }",
    "Query.runDiff": '{ runDiff(a: "run-1", b: "run-1") { a } }',
    "Query.store": '{ store(id: "s-1") { id } }',
    "Query.order": '{ order(id: "o-000") { id } }',
    "Query.refund": '{ refund(id: "r-0") { id } }',
    "Query.evidence": "{ evidence { totalCount } }",
    "Query.identifier": '{ identifier(kind: PHONE, value: "13800138000") { id } }',
    "Query.path": '{ path(a: "b-01", b: "b-02") { exhaustive } }',
    "Query.returnRisk": '{ returnRisk(orderIds: ["o-000"]) { level } }',
    "Query.caseQueue": "{ caseQueue { totalCount } }",
    "Query.cases": "{ cases { totalCount } }",
    "Query.case": '{ case(id: "case-0") { id } }',
    "Query.caseBundle": '{ caseBundle(id: "case-0") { sha256 } }',
    "Mutation.openCase": 'mutation { openCase(target: RING, targetId: "nothing") { id } }',
    "Mutation.assignCase": 'mutation { assignCase(id: "case-0", to: "ada") { id } }',
    "Mutation.noteCase": 'mutation { noteCase(id: "case-0", text: "seen") { id } }',
    "Mutation.decideCase": 'mutation { decideCase(id: "case-0", decision: HONEST, reason: "so") { id } }',
    "Mutation.closeCase": 'mutation { closeCase(id: "case-0", reason: "so") { id } }',
    "Query.assessClaim": '{ assessClaim(refundId: "r-0") { policy } }',
    "Query.replayComplaint": '{ replayComplaint(id: "rc-none") { same } }',
    "Query.replayClaim": '{ replayClaim(reference: "claim:r-0:-:1:0:0:p:v:s") { same } }',
    "Query.replayDecision": '{ replayDecision(accountId: "b-01") { same } }',
    "Query.policy": "{ policy { version } }",
    "Query.policies": "{ policies { totalCount } }",
    "Query.proposedPolicies": "{ proposedPolicies { totalCount } }",
    "Query.policyTrial": '{ policyTrial(id: "trial-0") { id } }',
    "Query.shadowReport": "{ shadowReport { policy { version } } }",
    "Query.checkPolicy": '{ checkPolicy(text: "") { digest } }',
    "Query.diffPolicies": '{ diffPolicies(after: "") { after } }',
    "Mutation.publishPolicy": 'mutation { publishPolicy(text: "", reason: "so") { waits } }',
    "Mutation.tryPolicy": 'mutation { tryPolicy(text: "") { id } }',
    "Mutation.simulatePolicy": 'mutation { simulatePolicy(text: "") { id } }',
    "Mutation.backtestPolicy": 'mutation { backtestPolicy(text: "") { id } }',
    "Mutation.shadowPolicy": 'mutation { shadowPolicy(text: "") { version } }',
    "Mutation.stopShadow": "mutation { stopShadow { version } }",
    "Mutation.rollbackPolicy": 'mutation { rollbackPolicy(version: "nothing", reason: "so") { waits } }',
    "Query.myStore": "{ myStore { id } }",
    "Query.myClaim": '{ myClaim(id: "r-0") { id } }',
    "Query.purchaseLimit": '{ purchaseLimit(buyerId: "b-01", storeId: "s-1") { verdict } }',
    "Query.purchaseLimits": '{ purchaseLimits(requests: [{buyerId: "b-01", storeId: "s-1"}]) { verdict } }',
    "Query.complaints": "{ complaints { totalCount } }",
    "Query.complaintCounts": "{ complaintCounts { month } }",
    "Query.storesInAccord": "{ storesInAccord { totalCount } }",
    "Query.judgements": "{ judgements { totalCount } }",
    "Query.appeals": "{ appeals { totalCount } }",
    "Query.acts": "{ acts { n } }",
    "Query.checkActs": "{ checkActs { head } }",
    "Query.myComplaints": "{ myComplaints { totalCount } }",
    "Query.myComplaintCounts": "{ myComplaintCounts { month } }",
    "Mutation.fileComplaint": 'mutation { fileComplaint(refundId: "r-0", type: FAKE_EVIDENCE) { id } }',
    "Mutation.fileComplaints": "mutation { fileComplaints(complaints: []) { refused } }",
    "Mutation.decideComplaint": 'mutation { decideComplaint(id: "rc-0", outcome: UPHELD, reason: "so") { by } }',
    "Mutation.judge": """mutation {
        judge(judgement: {target: ACCOUNT, id: "nobody", said: HONEST}, reason: "so") { id } }""",
    "Mutation.secondJudgement": 'mutation { secondJudgement(id: "j-0") { id } }',
    "Mutation.withdrawJudgement": 'mutation { withdrawJudgement(id: "j-0", reason: "so") { id } }',
    "Mutation.decideAnew": "mutation { decideAnew }",
    "Mutation.openAppeal": 'mutation { openAppeal(buyerId: "nobody", text: "not me") { id } }',
    "Mutation.upholdAppeal": 'mutation { upholdAppeal(id: "appeal-0", wrong: [], reason: "so") { id } }',
    "Mutation.closeAppeal": 'mutation { closeAppeal(id: "appeal-0", reason: "so") { id } }',
    "Mutation.startRun": "mutation { startRun { __typename } }",
    "Mutation.publishRun": 'mutation { publishRun(id: "run-none", reason: "x") { id } }',
    "Mutation.rollbackRun": 'mutation { rollbackRun(reason: "x") { id } }',
    "Mutation.reservePurchase": "mutation { reservePurchase(order: "
    '{orderId: "o", buyerId: "b-01", storeId: "s-1", amount: "1.00"}) { state } }',
    "Mutation.confirmPurchase": 'mutation { confirmPurchase(orderId: "o") { state } }',
    "Mutation.releasePurchase": 'mutation { releasePurchase(orderId: "o") { state } }',
}
STORES = {
    "Query.myStore",
    "Query.myClaim",
    "Query.myComplaints",
    "Query.myComplaintCounts",
    "Mutation.fileComplaint",
    "Mutation.fileComplaints",
}
RESERVING = {"Mutation.reservePurchase", "Mutation.confirmPurchase", "Mutation.releasePurchase"}
TRIALS = ("tryPolicy", "simulatePolicy", "backtestPolicy", "shadowPolicy", "stopShadow")
SENIOR = {f"Mutation.{name}" for name in ("publishPolicy", "rollbackPolicy", "publishRun", "rollbackRun", *TRIALS)}
READS = {field for field in QUESTIONS if field.startswith("Query.")} - STORES
ACTS = {field for field in QUESTIONS if field.startswith("Mutation.")} - {"Mutation.startRun", *RESERVING}
PEOPLE = READS | ACTS - SENIOR
ALLOWED = {
    "investigator": PEOPLE,
    "senior_investigator": PEOPLE | SENIOR,
    "auditor": READS,
    "store": STORES | {"Query.returnRisk"},
    "order_service": {
        "Query.purchaseLimit",
        "Query.purchaseLimits",
        *RESERVING,
    },
    "scheduler": {"Query.run", "Query.runs", "Mutation.startRun"},
}


def test_every_root_field_is_in_the_table_of_roles() -> None:
    schema = core_schema()
    fields = {f"{kind}.{name}" for kind in ("Query", "Mutation") for name in schema.type_map[kind].fields}  # type: ignore[attr-defined]  # both are object types
    assert fields == set(QUESTIONS)
    assert fields == {field for field in FIELD_ROLES if "__" not in field}
    assert set(ALLOWED) == {role.value for role in Role}


def test_the_page_of_roles_says_of_every_role_and_root_field_what_is_tested_here() -> None:
    rows = [
        line.strip("| ").split("|")
        for line in roles_markdown().splitlines()
        if line.startswith(("| root", "| `Query.", "| `Mutation."))
    ]
    roles = [name.strip() for name in rows[0][1:]]
    told = {
        (row[0].strip(" `"), role)
        for row in rows[1:]
        for role, mark in zip(roles, row[1:], strict=False)
        if mark.strip() == "yes"
    }
    assert {one for one in told if "__" not in one[0]} == {(field, role) for role in ALLOWED for field in ALLOWED[role]}
    assert len(rows) - 1 == len(QUESTIONS) + 4


def test_an_auditor_changes_nothing_and_a_store_asks_only_what_is_held_against_its_token() -> None:
    for field, roles in FIELD_ROLES.items():
        if "__" not in field:
            assert not (field.startswith("Mutation.") and Role.AUDITOR in roles), field
            assert Role.STORE not in roles or field in STORE_SCOPED, field


@pytest.fixture(scope="module")
def everybodys(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asked]:
    """One API over the market for all roles: whatever one of them does, what each may ask stays the same."""
    store = open_store(f"sqlite:///{tmp_path_factory.mktemp('roles') / 'market.db'}")
    market.fill(store)
    market.put_run(store, "run-1")
    with serving(store) as serve:
        yield serve()
    store.close()


@pytest.mark.parametrize("role", sorted(ALLOWED))
@pytest.mark.parametrize("field", sorted(QUESTIONS))
def test_each_role_may_ask_its_fields_and_no_other(everybodys: Asked, role: str, field: str) -> None:
    response = everybodys.post({"query": QUESTIONS[field]}, token=everybodys.token(role))
    if field in ALLOWED[role]:
        assert response.status_code == 200
        codes = [error["extensions"]["code"] for error in response.json().get("errors", ())]
        assert not set(codes) - {"NOT_FOUND", "BAD_INPUT"}, "what it names may not be there; that it may ask is sure"
    else:
        assert response.status_code == 403
        assert response.json()["errors"][0]["extensions"]["code"] == "FORBIDDEN"
        assert "data" not in response.json()


@pytest.mark.parametrize(
    "query",
    [
        '{ x: account(id: "b-01") { id } }',
        'query { ...F } fragment F on Query { account(id: "b-01") { id } }',
        'query { ... on Query { account(id: "b-01") { id } } }',
        'query { ... @include(if: true) { account(id: "b-01") { id } } }',
        '{ run { id } account(id: "b-01") { id } }',
    ],
)
def test_a_role_is_not_got_round_by_aliases_fragments_or_company(api: Asked, query: str) -> None:
    assert api.code(query, role="scheduler") == "FORBIDDEN"


def test_what_a_scheduler_and_the_order_service_can_reach_leads_to_no_person() -> None:
    schema = core_schema()
    for role in (Role.SCHEDULER, Role.ORDER_SERVICE):
        pending = [
            get_named_type(schema.type_map[kind].fields[name].type)  # type: ignore[attr-defined]
            for field, roles in FIELD_ROLES.items()
            if role in roles and "__" not in field
            for kind, name in [field.split(".")]
        ]
        reached = set()
        while pending:
            one = pending.pop()
            if one.name in reached:
                continue
            reached.add(one.name)
            if isinstance(one, GraphQLUnionType):
                pending += one.types
            if isinstance(one, GraphQLObjectType):
                pending += [get_named_type(field.type) for field in one.fields.values()]
        assert not reached & {
            "Account",
            "Order",
            "Refund",
            "Ring",
            "Member",
            "Evidence",
            "Identifier",
            "IdentifierUser",
        }


def test_a_token_for_one_store_asks_for_that_store_only(api: Asked) -> None:
    def answer(role: str, query: str) -> str | None:
        response = api.post({"query": query}, token=api.token(role, store_id="s-1"))
        errors = response.json().get("errors")
        return errors[0]["extensions"]["code"] if errors else None

    mine = '{ purchaseLimit(buyerId: "b-01", storeId: "s-1") { verdict } }'
    assert answer("order_service", mine) is None
    assert answer("order_service", mine.replace("s-1", "s-2")) == "FORBIDDEN"
    assert answer("investigator", QUESTIONS["Query.account"]) == "FORBIDDEN"
