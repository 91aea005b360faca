"""What a column may hold: by which words its name says so, what its values then look like, and which identifier it is.

Patterns are sought in the words of a name, as `words` gives them: `beneficiary birth date`. Their strength, from 0 to
1, says how surely a column is what its name says.
"""

from spark.recognising.kinds.base import OF_A_PATIENT, OF_A_PROVIDER, OF_NOBODY, Kind
from spark.recognising.kinds.codes import CODES
from spark.recognising.kinds.others import OTHERS
from spark.recognising.kinds.persons import PERSONAL
from spark.recognising.kinds.places import PLACED

__all__ = ["KINDS", "OF_A_PATIENT", "OF_A_PROVIDER", "OF_NOBODY", "Kind"]

KINDS = CODES + PERSONAL + PLACED + OTHERS
"""All kinds; where two are equally sure the first one is said."""
