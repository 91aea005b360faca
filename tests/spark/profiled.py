"""Profiles of what tests make, and the drops of a party whose last one went wrong."""

import random
from collections.abc import Mapping, Sequence
from datetime import date, timedelta

import pyarrow as pa

from spark.convert import raw_schema
from spark.profiling.profiler import profile
from spark.profiling.profiles import DatasetProfile

Columns = Mapping[str, Sequence[str | None]]


def profile_of(columns: Columns) -> DatasetProfile:
    """The profile of a dataset of text columns, in one file, all rows sampled."""
    rows = len(next(iter(columns.values()), ()))
    texts = {name: pa.array(values, pa.string()) for name, values in columns.items()}
    table = pa.table({"_record": pa.array(range(1, rows + 1), pa.int64()), **texts})
    return profile([table], raw_schema(list(columns)))


def claims(month: int, rows: int, *, wrong: bool = False) -> Columns:
    """A month of a party's claims; `wrong`: as after a change of its system."""
    chance = random.Random(month)
    first = date(2026, month, 1)

    def some(weights: Mapping[str, float]) -> list[str]:
        return chance.choices(list(weights), list(weights.values()), k=rows)

    def mostly(values: Sequence[str], empty: float) -> list[str | None]:
        return [None if chance.random() < empty else value for value in values]

    days = [first + timedelta(days=chance.randrange(28)) for _ in range(rows)]
    amounts = [chance.lognormvariate(4.9 if not wrong else 9.4, 0.8) for _ in range(rows)]
    claim_types = {"40": 55.0, "10": 20, "60": 14, "20": 8, "71": 3} | ({"99": 6.0, "": 0.5} if wrong else {})
    form = "%m/%d/%Y" if wrong else "%Y-%m-%d"
    zips = [f"{chance.randrange(10000, 99999)}" for _ in range(rows)]
    return {
        "claim_id": [f"{chance.randrange(10**12):012}" for _ in range(rows)],
        "member_id": [f"{chance.randrange(10**4):07}A" for _ in range(rows)],
        "claim_type": some(claim_types),
        "sex": some({"1": 45, "2": 54, "0": 1} if not wrong else {"M": 45, "F": 54, "U": 1}),
        "service_date": [day.strftime(form) for day in days],
        "paid_amount": [f"{amount:.2f}" for amount in amounts],
        "units": [f"{max(1, round(chance.expovariate(0.4)))}" for _ in range(rows)],
        "diagnosis": mostly(
            some({"E11.9": 14, "I10": 22, "Z00.00": 12, "M54.5": 9, "J06.9": 8, "F41.1": 6, "K21.9": 5, "N39.0": 4}),
            0.01,
        ),
        "rendering_npi": mostly([f"1{chance.randrange(10**8, 10**9)}" for _ in range(rows)], 0.31 if wrong else 0.02),
        "referring_npi": mostly([f"1{chance.randrange(10**8, 10**9)}" for _ in range(rows)], 0.55),
        "zip": [f"{z}-{chance.randrange(1000, 9999)}" if wrong and chance.random() < 0.4 else z for z in zips],
        "state": some({"CA": 30, "TX": 22, "NY": 18, "FL": 16, "WA": 7, "OR": 4}),
        "modifier": mostly(some({"25": 5, "59": 3, "GT": 2, "95": 2}), 0.78),
        "drg": [None] * rows,
    }
