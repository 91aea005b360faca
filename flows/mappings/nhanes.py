"""NHANES: participants and what was measured of them, by the codebooks of its files.

Variables are doubles. A codebook's 7, 77 and 777 are "Refused", its 9, 99 and 999 "Don't know", wherever a question
was asked: no values. What is missing is null. Codes of measurements are the names of variables.
"""

from collections.abc import Mapping as Dict

from spark.mapping import Mapping, code, unless
from spark.values import quoted

REFUSED = ("7", "9", "77", "99", "777", "999")


def whole(variable: str) -> str:
    """A coded value without the fraction that doubles have as text."""
    return f"CAST(try_cast({variable} AS bigint) AS string)"


# the place of a file is Public/2017/DataFiles/DEMO_J.xpt; P_DEMO beside it goes to March 2020
_YEAR = "try_cast(regexp_extract(_file, '([0-9]{4})/', 1) AS int)"
CYCLE = (
    f"CASE WHEN _file RLIKE '(?i)/P_' THEN '2017-2020' WHEN {_YEAR} = 2021 THEN '2021-2023'"
    f" ELSE concat({_YEAR}, '-', {_YEAR} + 1) END"
)

# RIDRETH3, since 2011, tells Asians apart; both put every Hispanic person into 1 or 2, and nobody else
_ORIGIN = whole("coalesce(RIDRETH3, RIDRETH1)")

TO_PATIENT = Mapping(
    columns={
        "patient_id": whole("SEQN"),
        "sex": code(whole("RIAGENDR"), {"1": "male", "2": "female"}),
        "race": code(
            unless(_ORIGIN, "1", "2"),
            {"3": "white", "4": "black or african american", "5": "other", "6": "asian", "7": "other"},
        ),
        "ethnicity": code(
            _ORIGIN,
            dict.fromkeys("12", "hispanic or latino") | dict.fromkeys("34567", "not hispanic or latino"),
        ),
        # of DMDMARTZ, since 2017, 1 is married or with a partner, 2 widowed, divorced or separated: no code says that
        "marital_status": code(
            f"coalesce({unless(whole('DMDMARTL'), *REFUSED)}, CASE WHEN {whole('DMDMARTZ')} = '3' THEN '5' END)",
            {"1": "M", "2": "W", "3": "D", "4": "L", "5": "S", "6": "T"},
        ),
    },
    optional=("RIDRETH3", "DMDMARTL", "DMDMARTZ"),
)

TO_SURVEY_PARTICIPANT = Mapping(
    columns={
        "patient_id": whole("SEQN"),
        "cycle": CYCLE,
        "participation": code(whole("RIDSTATR"), {"1": "interviewed", "2": "examined"}),
        "age": whole("RIDAGEYR"),
        "age_in_months": whole("RIDAGEMN"),
        "age_in_months_at_exam": whole("coalesce(RIDEXAGM, RIDAGEEX)"),
        "pregnant": f"CASE {whole('RIDEXPRG')} WHEN '1' THEN true WHEN '2' THEN false END",  # 3: cannot be ascertained
        "education": code(
            unless(whole("DMDEDUC2"), *REFUSED),
            {
                "1": "Less than 9th grade",
                "2": "9-11th grade",
                "3": "High school graduate or GED",
                "4": "Some college or AA degree",
                "5": "College graduate or above",
            },
        ),
        "household_size": whole("DMDHHSIZ"),
        "income_to_poverty": "INDFMPIR",
        "interview_weight": "coalesce(WTINT2YR, WTINTPRP)",
        "exam_weight": "coalesce(WTMEC2YR, WTMECPRP)",
        "variance_stratum": whole("SDMVSTRA"),
        "variance_unit": whole("SDMVPSU"),
    },
    optional=(
        *("RIDAGEMN", "RIDEXAGM", "RIDAGEEX", "RIDEXPRG", "DMDHHSIZ", "INDFMPIR"),
        *("WTINT2YR", "WTMEC2YR", "WTINTPRP", "WTMECPRP"),
    ),
)


def number(variable: str, words: str, unit: str) -> str:
    """A measured number as an element of `Mapping.each`."""
    value = f"try_cast({variable} AS double)"
    text = f"CASE WHEN {value} = try_cast({value} AS bigint) THEN {whole(variable)} ELSE CAST({value} AS string) END"
    return _element(variable, words, text, value, quoted(unit))


def coded(variable: str, words: str, meanings: Dict[str, str]) -> str:
    """A finding by what its codebook says that the code means; a code that it does not have stays as it is."""
    whens = " ".join(f"WHEN {quoted(k)} THEN {quoted(v)}" for k, v in meanings.items())
    return _element(variable, words, f"CASE {whole(variable)} {whens} ELSE {whole(variable)} END")


def _element(
    variable: str, words: str, text: str, value: str = "CAST(NULL AS double)", unit: str = "CAST(NULL AS string)"
) -> str:
    about = f"'code', {quoted(variable)}, 'words', {quoted(words)}"
    return f"named_struct({about}, 'text', {text}, 'value', {value}, 'unit', {unit})"


def to_observation(category: str, *elements: str) -> Mapping:
    """A row for every variable that has a value; files of other cycles lack some of them."""
    return Mapping(
        each=f"array({', '.join(elements)})",
        where="_each.text IS NOT NULL",
        columns={
            "observation_id": f"concat({whole('SEQN')}, '-', _each.code)",
            "patient_id": whole("SEQN"),
            "category": quoted(category),
            "source_code_type": "'nhanes'",
            "source_code": "_each.code",
            "source_description": "_each.words",
            "effective_period": CYCLE,
            "result": "_each.text",
            "value_as_number": "_each.value",
            "unit": "_each.unit",
        },
        optional=tuple(element.split("'")[3] for element in elements),
    )


KG, CM = "kg", "cm"
MERCURY, A_MINUTE = "mm[Hg]", "/min"

# Of the components that are read; what else their files hold stays in Raw
TO_OBSERVATION = {
    "bmx": to_observation(
        "exam",
        number("BMXWT", "Weight", KG),
        number("BMXRECUM", "Recumbent length", CM),
        number("BMXHEAD", "Head circumference", CM),
        number("BMXHT", "Standing height", CM),
        number("BMXBMI", "Body mass index", "kg/m2"),
        number("BMXLEG", "Upper leg length", CM),
        number("BMXCALF", "Maximal calf circumference", CM),
        number("BMXARML", "Upper arm length", CM),
        number("BMXARMC", "Arm circumference", CM),
        number("BMXWAIST", "Waist circumference", CM),
        number("BMXTHICR", "Thigh circumference", CM),
        number("BMXHIP", "Hip circumference", CM),
        number("BMXTRI", "Triceps skinfold", "mm"),
        number("BMXSUB", "Subscapular skinfold", "mm"),
        number("BMDAVSAD", "Average sagittal abdominal diameter", CM),
        coded(
            "BMDBMIC",
            "Body mass index category of children and youth",
            {"1": "Underweight", "2": "Normal weight", "3": "Overweight", "4": "Obese"},
        ),
    ),
    "bpx": to_observation(  # heard, up to 2018
        "vital-signs",
        *(number(f"BPXSY{n}", f"Systolic blood pressure, reading {n}", MERCURY) for n in range(1, 5)),
        *(number(f"BPXDI{n}", f"Diastolic blood pressure, reading {n}", MERCURY) for n in range(1, 5)),
        number("BPXPLS", "60 second pulse", A_MINUTE),
        coded("BPXPULS", "Pulse", {"1": "Regular", "2": "Irregular"}),
    ),
    "bpxo": to_observation(  # by an oscillometer, since 2017: other variables, as the values are not alike
        "vital-signs",
        *(number(f"BPXOSY{n}", f"Systolic blood pressure, oscillometric, reading {n}", MERCURY) for n in range(1, 4)),
        *(number(f"BPXODI{n}", f"Diastolic blood pressure, oscillometric, reading {n}", MERCURY) for n in range(1, 4)),
        *(number(f"BPXOPLS{n}", f"Pulse, oscillometric, reading {n}", A_MINUTE) for n in range(1, 4)),
    ),
    "ghb": to_observation("laboratory", number("LBXGH", "Glycohemoglobin", "%")),
    "tchol": to_observation(
        "laboratory",
        number("LBXTC", "Total cholesterol", "mg/dL"),
        number("LBDTCSI", "Total cholesterol", "mmol/L"),
    ),
}
