"""How Java is started on a host of few cores."""

from __future__ import annotations

from typing import Final

JIT: Final = (
    "-XX:MaxInlineLevel=9",
    "-XX:InlineSmallCode=1000",
    "-XX:FreqInlineSize=150",
    "-XX:Tier4InvocationThreshold=15000",
    "-XX:Tier4MinInvocationThreshold=2000",
    "-XX:Tier4CompileThreshold=40000",
    "-XX:Tier4BackEdgeThreshold=120000",
)
"""Java compiles less of itself and later: on two cores that a server shares, its own compiling was a third of what a
first load cost, and this halves it; an import takes a sixth less. See docs/measured.md."""
