"""Complaints, judgements, appeals and the book of acts over GraphQL."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from graph.store import Store
from integrity.acts import JOURNAL
from tests.api.conftest import Asked, Serve
from tests.api.market import ACTORS, DAY, NOW

FILE = """mutation F($refund: ID!, $type: ComplaintType!, $key: String) {
  fileComplaint(refundId: $refund, type: $type, note: "an empty box", files: ["box.jpg"], key: $key) {
    id outcome atOnce note files } }"""
JUDGE = """mutation J($judgement: JudgementInput!) {
  judge(judgement: $judgement, reason: "seen") { id state by role } }"""


def shop(api: Asked, query: str, store_id: str = "s-1", **variables: Any) -> dict[str, Any]:
    """The whole answer to a store."""
    response = api.post({"query": query, "variables": variables}, token=api.token("store", store_id=store_id))
    answer: dict[str, Any] = response.json()
    return answer


def file(api: Asked, refund: str = "r-1", type_: str = "ABNORMAL_REFUND_ONLY", **more: Any) -> dict[str, Any]:
    return shop(api, FILE, **({"refund": refund, "type": type_} | more))


def test_a_store_files_and_investigators_see_why_and_decide(api: Asked) -> None:
    filed = file(api, key="k")["data"]["fileComplaint"]
    assert (filed["note"], filed["files"]) == ("an empty box", ["box.jpg"])
    assert file(api, key="k")["data"]["fileComplaint"] == filed
    (seen,) = api.data(
        """{ complaints(needsAPerson: true) { edges { node { proposal probability reasons whyAPerson storeId buyerId
             runId filed { id } zh: reasons(language: ZH) zhWhy: whyAPerson(language: ZH) } } } }"""
    )["complaints"]["edges"]
    node = seen["node"]
    assert (node["filed"]["id"], node["storeId"], node["buyerId"]) == (filed["id"], "s-1", "b-02")
    assert node["runId"] == "run-1"
    assert node["reasons"]
    assert node["whyAPerson"]
    assert len(node["zh"]) == len(node["reasons"])
    assert re.search("[一-鿿]", node["zh"][0])
    assert node["zhWhy"].startswith("概率")
    verdict = 'mutation { decideComplaint(id: "%s", outcome: UPHELD, reason: "empty indeed") { outcome by } }'
    given = api.data(verdict % filed["id"])["decideComplaint"]
    assert given == {"outcome": "UPHELD", "by": "test investigator"}
    assert api.code(verdict % filed["id"]) == "BAD_INPUT"
    # at once, before any run or load: in the claim's record, for the platform and for the store
    (told,) = api.data('{ refund(id: "r-1") { complaints { edges { node { id outcome } } } } }')["refund"][
        "complaints"
    ]["edges"]
    assert told["node"] == {"id": filed["id"], "outcome": "UPHELD"}
    (told,) = shop(api, '{ myClaim(id: "r-1") { complaints { edges { node { id } } } } }')["data"]["myClaim"][
        "complaints"
    ]["edges"]
    assert told["node"]["id"] == filed["id"]
    mine = shop(api, "{ myComplaints { edges { node { id outcome } } } }")["data"]["myComplaints"]["edges"]
    assert mine == [{"node": {"id": filed["id"], "outcome": "UPHELD"}}]
    (count,) = [one for one in api.data("{ complaintCounts { type filed upheld reviewed atOnce } }")["complaintCounts"]
                if one["type"] == "ABNORMAL_REFUND_ONLY"]  # fmt: skip
    assert count == {"type": "ABNORMAL_REFUND_ONLY", "filed": 1, "upheld": 1, "reviewed": 1, "atOnce": 0}


def test_a_verdict_on_a_complaint_of_the_records_stands_there_at_once(api: Asked) -> None:
    asked = '{ refund(id: "r-0") { complaints { edges { node { id outcome } } } } }'
    assert api.data(asked)["refund"]["complaints"]["edges"] == [{"node": {"id": "c-1", "outcome": "UPHELD"}}]
    verdict = 'mutation { decideComplaint(id: "c-1", outcome: DISMISSED, reason: "the pictures are real") { by } }'
    assert api.code(verdict) == "BAD_INPUT", "it was decided; only a senior investigator decides otherwise"
    api.data(verdict, role="senior_investigator")
    assert api.data(asked)["refund"]["complaints"]["edges"] == [{"node": {"id": "c-1", "outcome": "DISMISSED"}}]


def test_a_batch_answers_each_in_its_place(api: Asked) -> None:
    query = """mutation { fileComplaints(complaints: [
      {refundId: "r-1", type: ABNORMAL_REFUND_ONLY}, {refundId: "none", type: FAKE_EVIDENCE},
      {refundId: "r-0", type: FAKE_EVIDENCE}]) { refundId refused complaint { id } zh: refused(language: ZH) } }"""
    first, second, third = shop(api, query)["data"]["fileComplaints"]
    assert first["complaint"]["id"].startswith("rc-")
    assert second.pop("zh") == "本店没有这笔售后申请"
    assert second == {"refundId": "none", "refused": "there is no such claim at this store", "complaint": None}
    assert third["refused"] == "was reported before, as complaint c-1"


def test_another_store_learns_nothing(api: Asked) -> None:
    (error,) = shop(api, FILE, "s-2", refund="r-1", type="ABNORMAL_REFUND_ONLY")["errors"]
    (other,) = shop(api, FILE, "s-2", refund="none", type="ABNORMAL_REFUND_ONLY")["errors"]
    assert error["message"] == other["message"] == "there is no such claim at this store"
    file(api)
    assert shop(api, "{ myComplaints { totalCount } }", "s-2")["data"]["myComplaints"]["totalCount"] == 0


def test_judgements_are_made_seconded_withdrawn_and_read(api: Asked) -> None:
    abusive = {"target": "ACCOUNT", "id": "c-00", "said": "ABUSIVE"}
    made = api.data(JUDGE, judgement=abusive)["judge"]
    assert (made["state"], made["role"]) == ("PROPOSED", "investigator")
    second = 'mutation { secondJudgement(id: "%s") { state second } }' % made["id"]
    assert api.code(second) == "FORBIDDEN"
    assert api.data(second, role="senior_investigator")["secondJudgement"]["state"] == "STANDING"
    assert api.code(JUDGE, judgement=abusive | {"said": "HONEST"}) == "BAD_INPUT"
    found = api.data("{ judgements(state: STANDING) { edges { node { id targetId said second } } } }", role="auditor")
    assert found["judgements"]["edges"] == [
        {"node": {"id": made["id"], "targetId": "c-00", "said": "ABUSIVE", "second": "test senior_investigator"}}
    ]
    withdraw = 'mutation { withdrawJudgement(id: "%s", reason: "no") { state withdrawnWhy } }' % made["id"]
    assert api.data(withdraw)["withdrawJudgement"] == {"state": "WITHDRAWN", "withdrawnWhy": "no"}


def test_an_upheld_appeal_heals_at_once_and_its_text_stays(api: Asked, store: Store) -> None:
    buyer = ACTORS[0]
    text = "That telephone is my flat-mate's."
    opened = api.data(
        'mutation O($text: String!) { openAppeal(buyerId: "%s", text: $text) { id state deadline statusThen } }'
        % buyer,
        text=text,
    )["openAppeal"]
    assert (opened["state"], opened["statusThen"]) == ("OPEN", "PLATFORM_LIMITED")
    asked = "{ appeals { edges { node { text overdue } } } }"
    assert api.data(asked)["appeals"]["edges"][0]["node"] == {"text": text, "overdue": False}
    assert api.code(asked, role="auditor") == "FORBIDDEN"
    see = "{ appeals { edges { node { maySee zh: maySee(language: ZH) } } } }"
    account = api.data('{ account(id: "%s") { remedies { buyer { en zh } } warning { en } } }' % buyer)["account"]
    assert account["warning"] is None
    assert account["remedies"]
    before = api.data(see)["appeals"]["edges"][0]["node"]
    assert before["maySee"][0].endswith(f"is being looked at. It will be decided by {opened['deadline']}.")
    assert before["maySee"][1:] == [one["buyer"]["en"] for one in account["remedies"]]
    assert before["zh"][1:] == [one["buyer"]["zh"] for one in account["remedies"]]
    done = api.data(
        """mutation U($id: ID!, $wrong: [JudgementInput!]!) { upholdAppeal(id: $id, wrong: $wrong, reason: "true") {
             state healedBy judgementIds healed { buyerId before after words zh: words(language: ZH) } } }""",
        id=opened["id"],
        wrong=[{"target": "ACCOUNT", "id": buyer, "said": "HONEST"}],
    )["upholdAppeal"]
    assert done["state"] == "UPHELD"
    healed = {one["buyerId"]: one["after"] for one in done["healed"]}
    assert healed[buyer] == "CLEAR"
    assert done["healed"][0]["zh"] == "经复核，此前对您账户的认定有误，现已解除全部限制。"
    right, told = api.data(see)["appeals"]["edges"][0]["node"]["maySee"]
    assert right.endswith("was right. What was wrong has been corrected.")
    assert told == next(one["words"] for one in done["healed"] if one["buyerId"] == buyer)
    # at once: the next question of this server is answered by the new run
    account = api.data('{ account(id: "%s") { status } run { id } }' % buyer)
    assert account == {"account": {"status": "CLEAR"}, "run": {"id": done["healedBy"]}}
    limit = '{ purchaseLimit(buyerId: "%s", storeId: "s-1", amount: "10.00") { verdict status } }' % buyer
    assert api.data(limit, role="order_service")["purchaseLimit"] == {"verdict": "ALLOW", "status": "CLEAR"}
    for journal in (JOURNAL, "audit"):
        assert text not in json.dumps(store.notes(journal, limit=1000).to_pylist(), ensure_ascii=False, default=str)


def test_an_appeal_can_be_closed_and_runs_over_its_deadline(api: Asked) -> None:
    opened = api.data('mutation { openAppeal(buyerId: "b-03", text: "no") { id } }')["openAppeal"]
    api.clock[0] += 8 * DAY
    assert api.data("{ appeals(state: OPEN) { edges { node { overdue } } } }")["appeals"]["edges"][0]["node"]["overdue"]
    closed = api.data('mutation { closeAppeal(id: "%s", reason: "its own device") { state } }' % opened["id"])
    assert closed["closeAppeal"]["state"] == "REJECTED"


def test_every_act_stands_in_the_book_and_tampering_shows(serve: Serve, store: Store, api: Asked) -> None:
    file(api)
    api.data(JUDGE, judgement={"target": "ACCOUNT", "id": "c-00", "said": "HONEST"})
    checked = "checkActs { acts head texts erased rewritten unfinished }"
    acts = api.data("{ acts { n kind by role storeId digest } %s }" % checked, role="auditor")
    assert [(one["kind"], one["by"]) for one in acts["acts"]] == [
        ("complaint.filed", "test store"),
        ("judgement.made", "test investigator"),
    ]
    told = {"texts": 3, "erased": 0, "rewritten": [], "unfinished": 0}
    assert acts["checkActs"] == {"acts": 2, "head": acts["acts"][1]["digest"], **told}
    assert api.data("{ acts(after: 1, first: 5) { n } }", role="auditor")["acts"] == [{"n": 2}]
    store.note(JOURNAL, [{"at": NOW, "id": "000000000003", "body": "{}"}])
    assert api.code("{ checkActs { acts } }", role="auditor") == "TAMPERED"
    assert api.code(JUDGE, judgement={"target": "ACCOUNT", "id": "c-01", "said": "HONEST"}) == "TAMPERED"
    # nobody can act, and shops go on selling
    other = serve()
    other.clock[0] = NOW
    assert "act 3" in other.client.get("/healthz").json()["book_of_acts"]
    limit = '{ purchaseLimit(buyerId: "c-05", storeId: "s-1", amount: "10.00") { verdict } }'
    assert other.data(limit, role="order_service")["purchaseLimit"]["verdict"] == "ALLOW"


@pytest.mark.parametrize("role", ["auditor", "scheduler", "order_service"])
def test_who_may_not_act_is_refused_before_anything(api: Asked, role: str) -> None:
    assert api.code(JUDGE, role=role, judgement={"target": "ACCOUNT", "id": "c-00", "said": "HONEST"}) == "FORBIDDEN"
    assert api.data("{ acts { n } }", role="auditor")["acts"] == []
