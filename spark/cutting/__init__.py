"""Where streams may be cut: record-aligned pieces of bounded size, and a count that owes nothing to parsing."""

from spark.cutting.dialect import Dialect, Field, LineEnd, unused
from spark.cutting.elements import cut_elements, element_spans
from spark.cutting.members import cut_members
from spark.cutting.plain import Plain, canonical, holds_ascii, is_utf8
from spark.cutting.records import MAX_RECORD, Records, cut_lines

__all__ = [
    "MAX_RECORD",
    "Dialect",
    "Field",
    "LineEnd",
    "Plain",
    "Records",
    "canonical",
    "cut_elements",
    "cut_lines",
    "cut_members",
    "element_spans",
    "holds_ascii",
    "is_utf8",
    "unused",
]
