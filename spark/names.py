"""Column names in the lake: one rule for every source."""

import re
import unicodedata
from collections.abc import Sequence


def normalise(names: Sequence[str]) -> tuple[str, ...]:
    """Lower snake case of `names`, unique, same length and order.

    The rule: Unicode NFKC, lower case, every run of characters that are not letters or digits becomes one `_`, none at
    either end; a name that begins with a digit gets a leading `_`; an empty one becomes `column_<position from 1>`;
    a name that is taken gets `_2`, `_3`, …

    >>> normalise(["NPI", "Fax  Number (US)", "2nd", "", "npi"])
    ('npi', 'fax_number_us', '_2nd', 'column_4', 'npi_2')
    """
    taken: set[str] = set()
    out = []
    for position, name in enumerate(names, 1):
        plain = re.sub(r"[\W_]+", "_", unicodedata.normalize("NFKC", name).lower()).strip("_")
        if plain[:1].isdigit():
            plain = f"_{plain}"
        base = plain or f"column_{position}"
        unique, n = base, 2
        while unique in taken:
            unique, n = f"{base}_{n}", n + 1
        taken.add(unique)
        out.append(unique)
    return tuple(out)
