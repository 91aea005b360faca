"""What a kind of column is, and the words that several kinds share."""

import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from spark.recognising.checks import Test
from spark.schemas.base import Phi


class Kind(NamedTuple):
    """One kind of column, and how it is told.

    `fits` tests values where the name says the kind: that all of them fit adds `trust`. `alone` tests them where it
    does not: if a share of `least` fits, and `among` holds of all values, it is the kind as surely as `surely`.
    """

    name: str
    phi: Phi | None
    names: tuple[tuple[float, re.Pattern[str]], ...]
    fits: Test | None = None
    trust: float = 0.4
    alone: Test | None = None
    surely: float = 0.0
    least: float = 0.8
    among: Callable[[Sequence[str]], bool] = bool


def kind(name: str, phi: Phi | None, *names: tuple[float, str], **told: Any) -> Kind:  # noqa: ANN401  # Kind's fields
    """A kind, its names as strengths and patterns."""
    return Kind(name, phi, tuple((strength, re.compile(pattern)) for strength, pattern in names), **told)


END = r"(?: (?:code|number|id|value|text|x|r|p|s|c|received))*$"
"""What may stand behind the word that says what a column is."""

OF_NOBODY = re.compile(
    r"\b(?:file|load|loaded|extract|publication|release|refresh|last update|update|batch|run|as of|import|export"
    r"|deactivation|reactivation|enumeration|build|approval|provider|npi|product|license|contract)\b"
)
"""Words that say that a date is a file's, a product's or a registry's."""

PLANS = (
    r"(?:member|subscriber|beneficiary|policy|policyholder|insured|enrollee|medicaid"
    r"|medicare|plan member|insurance|health plan|cardholder)"
)
PERSONS = (
    r"(?:patient|person|respondent|subject|participant|case|claim|record|encounter|visit"
    r"|admission|episode|report|employee|client|resident|customer|user)"
)
BODIES = (
    r"(?:organization|facility|hospital|company|employer|payer|plan|manufacturer|labeler"
    r"|sender|vendor|pharmacy|laboratory|lab|clinic|agency"
    r"|school|group|practice|institution|entity|insurance|insurer|carrier|issuer|gpo"
    r"|business|sponsor|department|supplier|contractor)"
)


OF_A_PROVIDER = re.compile(
    r"\b(?:provider|physician|doctor|prescriber|prescribing|hospital|facility|pharmacy"
    r"|organization|manufacturer making|labeler|vendor|payer|insurer|carrier|official"
    r"|investigator|"
    r"practitioner|clinician|surgeon|attending|rendering|referring|operating|supervising"
    r"|practice|business|affiliation|npi|taxonomy|agency|company|laboratory|submitting"
    r"|lot|"
    r"product|drug|study|trial|clinicaltrials|program|contractor|department|oscar|ccn"
    r"|thcic|ndc|nda|fee schedule|schedule|clinic|supplier|institution|primary recipient"
    r"|sop|"
    r"parent organization|software|form|document type|concept|transfer out|endpoint|md"
    r"|device type|making payment|school|sponsor|site)\b"
)
"""Words that say that a column is not about a patient, but about who treats, pays or makes."""

OF_A_PATIENT = re.compile(
    r"\b(?:patient|beneficiary|member|subscriber|insured|enrollee|guarantor|spouse|child"
    r"|mother|father|guardian|kin|emergency contact|relative|respondent|participant"
    r"|person|dependent|policyholder|decedent|newborn|employee)\b"
)
