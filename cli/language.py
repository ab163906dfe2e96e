"""The language in which commands tell sentences."""

from __future__ import annotations

from enum import Enum
from typing import Annotated

import typer


class Speaks(Enum):
    """Languages of sentences."""

    EN = "en"
    ZH = "zh"


In = Annotated[Speaks, typer.Option("--language", help="Language of the sentences: English or Chinese.")]
