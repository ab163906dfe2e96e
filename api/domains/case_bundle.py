"""A case as a bundle for a court or the police, over GraphQL: the file that `ringfence case export` writes."""

from __future__ import annotations

import base64
import hashlib
from typing import Annotated

import strawberry

from api.context import Info
from api.describe import resolver
from api.domains.common import In, Language, check_id, speaks
from integrity.case_brief import brief
from integrity.case_bundle import bundle


@strawberry.type(description="A case as one ZIP file with a manifest of hashes. Texts of notes are not in it.")
class CaseBundle:
    """As in integrity.case_bundle."""

    case_id: strawberry.ID = strawberry.field(description="The case.")
    data: str = strawberry.field(description="The ZIP file in base64: the same case, run, book and language, the same.")
    bytes: int = strawberry.field(description="Its length.")
    sha256: str = strawberry.field(description="Its SHA-256.")
    head: str = strawberry.field(description="Digest of the last act in the book; keep it with the file.")


@strawberry.type
class CaseBundleQuery:
    """Root fields that hand cases out."""

    @resolver("A case for a court or the police. Who was handed it, and its SHA-256, stand in the audit journal.")
    def case_bundle(
        self,
        info: Info,
        id_: Annotated[strawberry.ID, strawberry.argument(name="id", description="The case's id.")],
        language: In = Language.EN,
    ) -> CaseBundle:
        """A bundle; NOT_FOUND without such a case."""
        context = info.context
        affairs, store = context.state.affairs, context.view.store
        case = affairs.case_desk.one(check_id(id_, "a case's id"))
        data = bundle(store, brief(store, case, affairs, speaks(language)), affairs)
        digest = hashlib.sha256(data).hexdigest()
        context.saw("case", case.case_id)
        context.saw("case bundle", f"{case.case_id} {digest}")
        for buyer in case.buyer_ids:
            context.saw("account", buyer)
        text = base64.b64encode(data).decode()
        return CaseBundle(
            case_id=strawberry.ID(case.case_id), data=text, bytes=len(data), sha256=digest, head=affairs.book.head
        )
