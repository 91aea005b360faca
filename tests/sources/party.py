"""Two sources for tests of alerts: one of small drops in a folder, one whose server never answers.

A test adds this folder to where the package `flows` is: then it is a further source's file, `flows.party`.
"""

from datetime import timedelta

from spark.checks import Checks
from spark.mapping import Mapping
from spark.privacy import Keep
from spark.readers import Csv
from spark.schemas import Column, Schema
from tasks.cadence import Cadence
from tasks.convert import convert
from tasks.ingest import ingest
from tasks.publish import publish
from tasks.source import Dataset, Delivery, Drop, Source
from tasks.transfer import transfer
from tasks.transform import transform
from tasks.unwrap import unwrap

THING = Schema(
    name="thing",
    doc="",
    key=("id",),
    columns=(Column(name="id", doc="", required=True), Column(name="paid", type="int", doc="", required=True)),
)

PARTY = Source(
    slug="the-party",
    at="the-party",
    deliveries=(Delivery(kind="full", names=r"things_(?P<date>\d{8})\.csv", dated="%Y%m%d"),),
    datasets={
        "things": Dataset(members=".*", reader=Csv(), privacy={"id": Keep(why="whose it is is what nobody has said")})
    },
    quiet=None,
    cadence={"full": Cadence(days="FREQ=DAILY", grace=timedelta(hours=48))},
    phi="unknown",
)

TARPIT = PARTY.model_copy(update={"slug": "tarpit", "at": "tarpit", "cadence": {}})


@ingest(PARTY)
def party(drop: Drop) -> None:
    """Bring one drop to current."""
    raw = convert(unwrap(transfer(drop)))
    by = {"things": Mapping(columns={"id": "id", "paid": "paid"})}
    publish(transform(raw, to=THING, by=by, checks=Checks(fewer=1, more=None)))


@ingest(TARPIT)
def tarpit(drop: Drop) -> None:
    """Bring one drop into the lake."""
    transfer(drop)
