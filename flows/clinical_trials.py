"""ClinicalTrials.gov: the world's largest registry of clinical trials (public, from the National Library of Medicine).

A JSON API that gives all studies in pages, each leading to the next by a token; the last one has none. The data change
on weekdays; `/version` says since when they are what they are, by UTC and without a zone, and that names a drop. When
they change in mid-walk a token is refused, and the walk is begun anew, as a drop of the new data. Refusals are plain
text. A study that is gone is just not there any more, so a day is the whole registry. No key of a study is always
there; days may be months. The number of all studies is said on the first page where it is asked for, and is compared.

Its block, a JSON API, says: `https://clinicaltrials.gov/api/v2/`, path `studies`, parameters `countTotal=true`, paging
by `nextPageToken` in `pageToken`, size `pageSize` (1,000 at most, of some 26 kB each), records `studies`, total
`totalCount`, stamp `version` at `dataTimestamp`, some 50 requests a minute.

Source: NLM, "ClinicalTrials.gov API" and "Study Data Structure", version 2.0.5.
"""

from datetime import timedelta

from flows.mappings.clinical_trials import STUDY, TO_TRIAL
from spark.readers import Json
from spark.schemas import Trial
from tasks.cadence import Cadence
from tasks.convert import convert
from tasks.ingest import ingest
from tasks.profile import profile
from tasks.publish import publish
from tasks.source import Dataset, Delivery, Drop, Source
from tasks.transfer import transfer
from tasks.transform import transform
from tasks.unwrap import unwrap

CLINICAL_TRIALS = Source(
    slug="clinical-trials",
    at="clinical-trials",
    deliveries=(
        Delivery(
            kind="full",
            names=r"(?P<date>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\.json",
            dated="%Y-%m-%dT%H:%M:%S",
            key="%Y-%m-%dT%H%M%S",
        ),
    ),
    datasets={"study": Dataset(members=r"(.*/)?\d+\.json", reader=Json(at="$.studies", fields=STUDY))},
    quiet=None,  # the stamp and the number of studies show that it is whole
    cadence={"full": Cadence(days="FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR", grace=timedelta(days=3))},
    absent="deleted",  # a study that is gone is not there any more, and nothing else says so
    phi="no",
)


@ingest(CLINICAL_TRIALS)
def clinical_trials(drop: Drop) -> None:
    """Bring the studies of one day into the lake."""
    landed = transfer(drop)
    parts = unwrap(landed, expect=[])
    raw = convert(parts)
    profile(raw)
    publish(transform(raw, to=Trial, by={"study": TO_TRIAL}))
