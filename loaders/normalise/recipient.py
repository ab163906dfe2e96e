"""Names of recipients to one canonical form: width, script, case, spaces, titles and receivers' marks."""

from __future__ import annotations

import re
import unicodedata

from loaders.normalise.text import fold_name

_BRACKETS = re.compile(r"[(\[{【〔「《<][^)\]}】〕」》>]*[)\]}】〕」》>]?")
_TITLE = re.compile(
    r"(?<=.)(?:先生|女士|小姐|太太|夫人|同学|老师|阿姨|叔叔|师傅|经理|老板|医生)$|(?<=..)(?:亲启|代收|收|启)$"
)
_LATIN_TITLE = re.compile(
    r"^(?:(?:MR|MRS|MS|MISS|DR|PROF|SIR|MADAM|MDM)\.?\s+)+(?=\S)|[\s,]+(?:MR|MRS|MS|MISS|ESQ|JR|SR)\.?$"
)
_LABEL = re.compile(r"^(?:收件人|收货人|联系人|姓名|NAME|ATTN|TO)\s*[:.]\s*")
_STARS = re.compile(r"[*×✱☆★•●]+|X{2,}$|(?<=[㐀-鿿])[XO]{1,2}$")
_CHINESE = re.compile(r"[㐀-鿿]")


def canonical_recipient(text: str) -> str | None:
    """`张伟` for 張偉, 张 伟, 张伟先生, 收件人:张伟(家); None where no letter is left.

    A masked name (`张*`, `张**`) stays masked, with one star: it is a weaker name, never the same as a full one.
    Surname and
    title alone (`王先生`) leave the surname. Latin names keep the order of their words, without accents and marks:
    `JOHN SMITH`.
    """
    name = text[:_LONGEST]
    for _ in range(_PASSES):
        before, name = name, _strip_once(name)
        if name == before:
            break
    return name if any(char.isalnum() for char in name) else None


_LONGEST = 400
_PASSES = 8  # what one pass uncovers (a title behind a bracket) the next removes; two are enough for real names


def _strip_once(text: str) -> str:
    name = fold_name(text).strip()
    name = _LABEL.sub("", name)
    outside = _BRACKETS.sub(" ", name).strip()
    name = outside or name.strip("()[]{}<>【】〔〕「」《》 ")
    name = _STARS.sub("*", name)
    if _CHINESE.search(name) is not None:
        name = "".join(char for char in name if char.isalpha() or char == "*" or unicodedata.category(char) == "Mn")
        previous = ""
        while previous != name:
            previous, name = name, _TITLE.sub("", name)
    else:
        previous = ""
        while previous != name:
            previous, name = name, _LATIN_TITLE.sub("", name).strip()
        name = "".join(char for char in unicodedata.normalize("NFKD", name) if not unicodedata.combining(char))
        name = name.replace("'", "").replace("’", "")
        name = " ".join("".join(char if char.isalnum() or char == "*" else " " for char in name).split())
    return name
