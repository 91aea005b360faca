"""What columns mean: `recognise` says it of one, by its name and by what it holds, `recognise_table` of all of a table,
each beside the others, and `hidden` of free text.
"""

from spark.recognising.hidden import hidden
from spark.recognising.recognise import recognise
from spark.recognising.table import recognise_table

__all__ = ["hidden", "recognise", "recognise_table"]
