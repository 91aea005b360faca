"""The synthetic outside world of NHANES: two cycles in the layouts of their files, as SAS XPORT.

Columns are some of those of the files of 2007-2008 (`_E`) and of August 2021 to August 2023 (`_L`), with their names
and codes. Between the two, blood pressure is measured otherwise (`BPX_E`, `BPXO_L`), the age at the examination and
the race have another variable, and marital status other codes. All about a person is a pure function of (seed, cycle,
number), so files can be written in any order.

    world = World(seed=1)
    world.write("E", "DEMO", folder)
    world.revised.add("E")  # from now on some are withdrawn there, and some values are others
    world.truth("E", "DEMO")  # by common schema, and key
"""

import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd  # type: ignore[import-untyped]
import pyreadstat

Row = dict[str, Any]
Rows = dict[Any, Row]
Truth = dict[str, Rows]


class Cycle(NamedTuple):
    """`first` is the number of the first participant, `release` the survey's own number of the cycle."""

    years: str
    first: int
    release: int
    components: tuple[str, ...]

    @property
    def folder(self) -> str:
        """Where its files are below `Public`."""
        return f"{self.years[:4]}/DataFiles"


CYCLES = {
    "E": Cycle("2007-2008", 41475, 5, ("DEMO", "BMX", "BPX", "GHB", "TCHOL")),
    "L": Cycle("2021-2023", 130378, 12, ("DEMO", "BMX", "BPXO", "GHB", "TCHOL")),
}

_RACES = {3: "white", 4: "black or african american", 5: "other", 6: "asian", 7: "other"}
_MARITAL = {1: "M", 2: "W", 3: "D", 4: "L", 5: "S", 6: "T"}
_EDUCATION = {
    1: "Less than 9th grade",
    2: "9-11th grade",
    3: "High school graduate or GED",
    4: "Some college or AA degree",
    5: "College graduate or above",
}
_CODED = {
    "BPXPULS": ("Pulse", {1: "Regular", 2: "Irregular"}),
    "BMDBMIC": (
        "Body mass index category of children and youth",
        {1: "Underweight", 2: "Normal weight", 3: "Overweight", 4: "Obese"},
    ),
}
_MEASURED = {
    "BMXWT": ("Weight", "kg"),
    "BMXRECUM": ("Recumbent length", "cm"),
    "BMXHT": ("Standing height", "cm"),
    "BMXBMI": ("Body mass index", "kg/m2"),
    "BMXCALF": ("Maximal calf circumference", "cm"),
    "BMXHIP": ("Hip circumference", "cm"),
    "BPXPLS": ("60 second pulse", "/min"),
    "LBXGH": ("Glycohemoglobin", "%"),
    "LBXTC": ("Total cholesterol", "mg/dL"),
    "LBDTCSI": ("Total cholesterol", "mmol/L"),
    **{f"BPXSY{n}": (f"Systolic blood pressure, reading {n}", "mm[Hg]") for n in range(1, 5)},
    **{f"BPXDI{n}": (f"Diastolic blood pressure, reading {n}", "mm[Hg]") for n in range(1, 5)},
    **{f"BPXOSY{n}": (f"Systolic blood pressure, oscillometric, reading {n}", "mm[Hg]") for n in range(1, 4)},
    **{f"BPXODI{n}": (f"Diastolic blood pressure, oscillometric, reading {n}", "mm[Hg]") for n in range(1, 4)},
    **{f"BPXOPLS{n}": (f"Pulse, oscillometric, reading {n}", "/min") for n in range(1, 4)},
}
_CATEGORIES = {"BMX": "exam", "BPX": "vital-signs", "BPXO": "vital-signs", "GHB": "laboratory", "TCHOL": "laboratory"}


@dataclass
class World:
    """`size` participants a cycle; `revised` are the cycles whose files have been revised."""

    seed: int
    size: int = 60
    revised: set[str] = field(default_factory=set)

    def name(self, cycle: str, component: str) -> str:
        """Of a file, with its folder below `Public`."""
        return f"{CYCLES[cycle].folder}/{component}_{cycle}.xpt"

    def write(self, cycle: str, component: str, folder: Path) -> Path:
        """Write a file below `folder`, in the place of the one before."""
        path = folder / self.name(cycle, component)
        path.parent.mkdir(parents=True, exist_ok=True)
        rows = list(self._rows(cycle, component))
        frame = pd.DataFrame(rows)
        frame = frame.astype({name: "float64" for name in frame.columns if name != "BPAOARM"})
        own = path.with_suffix(".made")
        pyreadstat.write_xport(
            frame,
            own,
            file_label=component,
            column_labels={name: f"Label of {name}" for name in frame.columns},
            table_name=f"{component}_{cycle}",
            file_format_version=5,
        )
        own.replace(path)
        return path

    def truth(self, cycle: str, component: str) -> Truth:
        """What the common schemas must have of a file, by schema and key; a column that is not named has no value."""
        rows = self._rows(cycle, component)
        if component == "DEMO":
            people = [(_patient(row), _participant(row, CYCLES[cycle].years)) for row in rows]
            return {
                "patient": {patient["patient_id"]: patient for patient, _ in people},
                "survey_participant": {(who["patient_id"], who["cycle"]): who for _, who in people},
            }
        found = [one for row in rows for one in _observations(row, component, CYCLES[cycle].years)]
        return {"observation": {one["observation_id"]: one for one in found}}

    def _rows(self, cycle: str, component: str) -> Iterator[Row]:
        """A file's rows, None where a value is missing."""
        make: Callable[[Row, random.Random, str], Row] = _COMPONENTS[component]
        for number in range(self.size):
            of = random.Random(f"{self.seed}:{cycle}:{number}")
            person: Row = {
                "SEQN": CYCLES[cycle].first + number,
                "RIAGENDR": of.choice((1, 2)),
                "RIDAGEYR": min(80, of.randrange(90)),
                "RIDSTATR": 2 if of.random() < 0.9 else 1,
            }
            gone = cycle in self.revised and of.random() < 0.1
            examined = component == "DEMO" or person["RIDSTATR"] == 2
            if gone or not examined:
                continue
            row = make(person, random.Random(f"{self.seed}:{cycle}:{number}:{component}"), cycle)
            again = random.Random(f"{self.seed}:{cycle}:{number}:{component}:revised")
            if cycle in self.revised and again.random() < 0.2:
                changed = _REVISED[component]
                row |= {name: round(row[name] + 1, 6) for name in changed if row[name] is not None}
            yield row


def _demo(person: Row, of: random.Random, cycle: str) -> Row:
    adult = person["RIDAGEYR"] >= 20
    race = of.choice((1, 2, 3, 4, 5))
    months = person["RIDAGEYR"] * 12 + 5 if person["RIDAGEYR"] < 80 else None
    at_exam = months + 1 if months and person["RIDSTATR"] == 2 else None
    common = {
        "DMDEDUC2": of.choice((1, 2, 3, 4, 5, 7, 9)) if adult else None,
        "RIDEXPRG": of.choice((1, 2, 3)) if person["RIAGENDR"] == 2 and 20 <= person["RIDAGEYR"] <= 44 else None,
        "DMDHHSIZ": of.randrange(1, 8),
        "INDFMPIR": of.choice((None, 5.0, round(of.random() * 5, 2))),
        "WTINT2YR": round(of.random() * 60000 + 3000, 6),
        "WTMEC2YR": round(of.random() * 60000 + 3000, 6) if person["RIDSTATR"] == 2 else 0.0,
        "SDMVPSU": of.choice((1, 2)),
        "SDMVSTRA": of.randrange(59, 75),
    }
    about = {"SEQN": person["SEQN"], "SDDSRVYR": CYCLES[cycle].release, **person, "RIDAGEMN": months}
    if cycle == "E":
        marital = of.choice((1, 2, 3, 4, 5, 6, 77)) if adult else None
        return {**about, "RIDAGEEX": at_exam, "RIDRETH1": race, "DMDMARTL": marital, **common}
    asian = race == 5 and of.random() < 0.5
    third = {5: 6 if asian else 7}.get(race, race)
    marital = of.choice((1, 2, 3, 99)) if adult else None
    return {**about, "RIDRETH1": race, "RIDRETH3": third, "RIDEXAGM": at_exam, "DMDMARTZ": marital, **common}


def _bmx(person: Row, of: random.Random, cycle: str) -> Row:
    child = person["RIDAGEYR"] < 3
    weighed = of.random() < 0.95
    row = {
        "SEQN": person["SEQN"],
        "BMDSTATS": 1 if weighed else 3,
        "BMXWT": round(of.uniform(10, 130), 1) if weighed else None,
        "BMIWT": of.choice((None, None, 3)) if weighed else 1,
        "BMXHT": None if child else round(of.uniform(90, 200), 1),
        "BMXBMI": None if child or not weighed else round(of.uniform(14, 45), 2),
    }
    if cycle == "E":
        return row | {"BMXRECUM": 80.0 if child else None, "BMXCALF": None if child else round(of.uniform(25, 50), 1)}
    category = of.choice((1, 2, 3, 4)) if 2 <= person["RIDAGEYR"] < 20 else None
    return row | {"BMDBMIC": category, "BMXHIP": None if child else round(of.uniform(60, 140), 1)}


def _bpx(person: Row, of: random.Random, cycle: str) -> Row:
    low = person["RIDAGEYR"] < 8
    row: Row = {"SEQN": person["SEQN"], "BPXPLS": 2 * of.randrange(25, 60), "BPXPULS": of.choice((1, 1, 1, 2))}
    for reading in range(1, 5):
        taken = not low and of.random() < (0.9 if reading < 4 else 0.1)
        row[f"BPXSY{reading}"] = 2 * of.randrange(45, 100) if taken else None
        row[f"BPXDI{reading}"] = 2 * of.randrange(0, 55) if taken else None  # 0 is a reading
    return row


def _bpxo(person: Row, of: random.Random, cycle: str) -> Row:
    taken = person["RIDAGEYR"] >= 8 and of.random() < 0.9
    row: Row = {"SEQN": person["SEQN"], "BPAOARM": of.choice(("R", "L")) if taken else ""}
    for name, low, high in (("BPXOSY", 85, 190), ("BPXODI", 40, 110), ("BPXOPLS", 45, 120)):
        row |= {f"{name}{reading}": of.randrange(low, high) if taken else None for reading in range(1, 4)}
    return row


def _ghb(person: Row, of: random.Random, cycle: str) -> Row:
    weight = {} if cycle == "E" else {"WTPH2YR": round(of.random() * 60000, 6)}
    return {"SEQN": person["SEQN"], **weight, "LBXGH": round(of.uniform(4, 12), 1) if of.random() < 0.9 else None}


def _tchol(person: Row, of: random.Random, cycle: str) -> Row:
    value = of.randrange(90, 320) if of.random() < 0.9 else None
    return {"SEQN": person["SEQN"], "LBXTC": value, "LBDTCSI": round(value * 0.02586, 2) if value else None}


_COMPONENTS = {"DEMO": _demo, "BMX": _bmx, "BPX": _bpx, "BPXO": _bpxo, "GHB": _ghb, "TCHOL": _tchol}
_REVISED: Mapping[str, tuple[str, ...]] = {
    "DEMO": ("WTINT2YR",),
    "BMX": ("BMXWT", "BMXHT"),
    "BPX": ("BPXSY1",),
    "BPXO": ("BPXOSY1",),
    "GHB": ("LBXGH",),
    "TCHOL": ("LBXTC",),
}


def _patient(row: Row) -> Row:
    race = row["RIDRETH3"] if "RIDRETH3" in row else row["RIDRETH1"]
    marital = _MARITAL.get(row.get("DMDMARTL", 0)) or {3: "S"}.get(row.get("DMDMARTZ", 0))
    return _said(
        patient_id=str(row["SEQN"]),
        sex={1: "male", 2: "female"}[row["RIAGENDR"]],
        race=_RACES.get(race),
        ethnicity="hispanic or latino" if race in (1, 2) else "not hispanic or latino",
        marital_status=marital,
    )


def _participant(row: Row, years: str) -> Row:
    return _said(
        patient_id=str(row["SEQN"]),
        cycle=years,
        participation={1: "interviewed", 2: "examined"}[row["RIDSTATR"]],
        age=row["RIDAGEYR"],
        age_in_months=row["RIDAGEMN"],
        age_in_months_at_exam=row.get("RIDAGEEX", row.get("RIDEXAGM")),
        pregnant={1: True, 2: False}.get(row["RIDEXPRG"]),
        education=_EDUCATION.get(row["DMDEDUC2"]),
        household_size=row["DMDHHSIZ"],
        income_to_poverty=row["INDFMPIR"],
        interview_weight=row["WTINT2YR"],
        exam_weight=row["WTMEC2YR"],
        variance_stratum=row["SDMVSTRA"],
        variance_unit=row["SDMVPSU"],
    )


def _observations(row: Row, component: str, years: str) -> Iterator[Row]:
    for variable, value in row.items():
        if value is None or variable not in _MEASURED | _CODED:
            continue
        who = str(row["SEQN"])
        about = {
            "observation_id": f"{who}-{variable}",
            "patient_id": who,
            "category": _CATEGORIES[component],
            "source_code_type": "nhanes",
            "source_code": variable,
            "effective_period": years,
        }
        if variable in _CODED:
            words, meanings = _CODED[variable]
            yield about | {"source_description": words, "result": meanings[value]}
        else:
            words, unit = _MEASURED[variable]
            text = str(int(value)) if value == int(value) else str(value)
            yield about | {
                "source_description": words,
                "result": text,
                "value_as_number": float(value),
                "unit": unit,
            }


def _said(**values: Any) -> Row:  # noqa: ANN401  # values of any type
    return {name: value for name, value in values.items() if value is not None}
