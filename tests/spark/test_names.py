import doctest
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spark import names
from spark.names import normalise

RULE = [
    (["NPI", "Fax  Number (US)", "2nd", "", "npi"], ("npi", "fax_number_us", "_2nd", "column_4", "npi_2")),
    (["a", "a", "a_2", "A"], ("a", "a_2", "a_2_2", "a_3")),
    (["__x__", "_record", "!?"], ("x", "record", "column_3")),
    (["column_2", ""], ("column_2", "column_2_2")),
    (["Straße", "Größe (m²)", "\ufeffid"], ("straße", "größe_m2", "id")),
    (["ﬁeld", "½"], ("field", "_1_2")),
    (["line\nbreak", "tab\tbed"], ("line_break", "tab_bed")),
    ([], ()),
]


@pytest.mark.parametrize(("given_", "expected"), RULE)
def test_rule(given_: list[str], expected: tuple[str, ...]) -> None:
    assert normalise(given_) == expected


def test_the_docstring_is_true() -> None:
    assert doctest.testmod(names).failed == 0
    assert doctest.testmod(names).attempted == 1


@given(st.lists(st.one_of(st.text(max_size=6), st.sampled_from(["a", "A", "a_2", "", "a 2", "2", "column_1"]))))
def test_names_are_unique_and_plain(given_: list[str]) -> None:
    out = normalise(given_)
    assert len(out) == len(given_) == len(set(out))
    for name in out:
        assert re.fullmatch(r"\w+", name)
        assert name == name.lower()
        assert not name[0].isdigit()
        assert name not in {"_drop", "_file", "_record", "_source", "_bucket", "_deleted", "_reason", "_raw"}
