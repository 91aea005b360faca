"""Places, dates and times."""

from collections.abc import Sequence

from spark.recognising import checks
from spark.recognising.kinds.base import END, Kind, kind


def _several(values: Sequence[str]) -> bool:
    return len(values) > 2


def _day_or_part(value: str) -> float:
    return max(checks.date(value), checks.date_partial(value))


PLACED: tuple[Kind, ...] = (
    # places
    kind(
        "address",
        "geography",
        (
            1.0,
            rf"(?<!email )(?<!ip )(?<!web )(?<!mac )\b(?:address|street|residence)(?: (?:line"
            rf"|street|text|one|two|three|four|five|six|first|second|third|unit|of|detail"
            rf"|info))*{END}",
        ),
        (0.9, r"\bline address$|^add line|\bp ?o box|\bapartment number"),
        fits=lambda v: max(checks.address(v), 0.6 * checks.address_loose(v), 0.4 * float(any(c.isalpha() for c in v))),
        alone=lambda v: max(checks.address(v), 0.7 * checks.address_begin(v)),
        surely=0.93,
        least=0.55,
    ),
    kind(
        "city",
        "geography",
        (
            1.0,
            rf"\b(?:city|town|municipality|locality|birthplace|birth place|place of birth"
            rf"|zip place)(?: name)?{END}|\bcity of\b|^cities$",
        ),
        fits=lambda v: max(checks.city(v), 0.6 * checks.worded(v)),
        alone=checks.city,
        surely=0.85,
        least=0.4,
    ),
    kind(
        "county",
        "geography",
        (1.0, rf"\b(?:county|parish|counties|census tract|fips county)(?: (?:name|fips))?{END}"),
        fits=lambda v: max(checks.county_word(v), 0.7 * checks.worded(v), checks.whole(v)),
        alone=checks.county_word,
        surely=0.9,
    ),
    kind(
        "state",
        None,
        (
            1.0,
            rf"\bstate(?: (?:name|abbreviation|postal|fips|of travel|headquartered"
            rf"|province))*{END}|\bstate of\b",
        ),
        (0.6, r"\bprovince$"),
        fits=checks.state_or_number,
        alone=checks.state,
        surely=0.88,
        least=0.9,
    ),
    kind(
        "zip",
        "geography",
        (
            1.0,
            rf"(?<!state )\b(?:zip|postcode)(?: (?:extension|suffix|three|five|four|plus))*{END}"
            rf"|\bzip\b(?!.*\b(?:income|place|median|type)\b)",
        ),
        fits=lambda v: max(checks.zip_code(v), checks.zip_plus(v)),
        alone=lambda v: max(checks.zip_plus(v), 0.55 * checks.zip_nine(v)),
        surely=0.93,
        least=0.5,
        among=_several,
    ),
    kind(
        "country",
        None,
        (1.0, rf"\b(?:country|nationality)(?: name)?{END}|\bcountry of (?!birth)"),
        fits=checks.country,
        alone=checks.country_name,
        surely=0.9,
        least=0.9,
    ),
    kind(
        "coordinates",
        "geography",
        (
            1.0,
            r"\b(?:x)?(?:longitude|latitude)$|\bylatitude$|\bcoordinates?\b|\bgeo(?:point"
            r"|location)",
        ),
        fits=checks.coordinates,
        alone=checks.coordinates_fine,
        surely=0.55,
    ),
    # time
    kind(
        "birth_date",
        "date",
        (
            1.0,
            r"\bbirth (?:date|day|datetime|time)|\bdate of birth|\bbirthday|^birth$|\bborn (?:on"
            r"|date)|\bbirth month|\b(?:day|month) of birth|\bdate birth",
        ),
        fits=_day_or_part,
        trust=0.95,
    ),
    kind("death_date", "date", (1.0, r"\bdeath (?:date|datetime|time)|\bdate of death"), fits=_day_or_part, trust=0.95),
    kind(
        "admission_date",
        "date",
        (1.0, r"\badmission (?:date|datetime|time)|\bdate of admission|\badmitted (?:on|at|date)"),
        fits=_day_or_part,
        trust=0.95,
    ),
    kind(
        "discharge_date",
        "date",
        (1.0, r"\bdischarge (?:date|datetime|time)|\bdate of discharge|\bdischarged (?:on|at|date)"),
        (0.6, r"^discharge$"),
        fits=_day_or_part,
        trust=0.95,
    ),
    kind(
        "service_date",
        "date",
        (
            1.0,
            r"\b(?:service|visit|encounter|procedure|performed|dispensed|fill|prescription"
            r"|collection|specimen|immunization|exam) (?:\w+ )?(?:date|datetime)|\bdate of service",
        ),
        (0.95, r"\b(?:claim|line|service|statement)(?: \w+)? (?:from|through|to|begin|start|end) date"),
        (0.85, r"^(?:from|to|through) date$"),
        fits=_day_or_part,
        trust=0.95,
    ),
    kind(
        "paid_date",
        "date",
        (
            1.0,
            r"\b(?:paid|payment|check|remittance|adjudication) date|\bdate (?:of )?(?:paid"
            r"|payment)\b",
        ),
        fits=_day_or_part,
        trust=0.95,
    ),
    kind(
        "date",
        "date",
        (0.9, r"\b(?:date|datetime|timestamp|day of)$|\bdate of\b|\bdate time$"),
        (0.7, r"\bdate\b"),
        (
            0.65,
            r"\b(?:start|stop|begin|end)$|\b(?:admission|discharge|procedure) month$"
            r"|^month of \w+|\b(?:created|updated|modified) at$",
        ),
        fits=_day_or_part,
        alone=checks.date,
        surely=0.92,
        least=0.75,
    ),
    kind(
        "year",
        None,
        (1.0, r"^(?!age\b).*\byear$|^year of \w+"),
        fits=checks.year,
        trust=0.8,
        alone=checks.year,
        surely=0.5,
        least=0.95,
    ),
    kind(
        "time",
        None,
        (0.8, r"\b(?:time|hour)(?: of day)?$"),
        fits=lambda v: max(checks.time(v), checks.small(v)),
        alone=checks.time,
        surely=0.92,
    ),
    kind(
        "age",
        "date",
        (1.0, r"\bage(?: (?:in )?(?:years?|months?|days?|value|number|count))*$|^age (?:in|at)\b"),
        fits=checks.small,
    ),
)
