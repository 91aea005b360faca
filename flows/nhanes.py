"""NHANES: a sample of the people in the United States, asked, examined and tested (public, from CDC's NCHS).

Cycles of two years, released component by component as SAS XPORT files, `Public/2017/DataFiles/DEMO_J.xpt`. 1999 has
no letter, 2001 has B, 2017 J; `P_DEMO`, with people of 2017 to March 2020 under other numbers, is for the cycle that
was not finished; L is August 2021 to August 2023. A file is revised in place, its header says when. Up to 2004
laboratory files had numbers: `L10_C` holds glycohemoglobin, `L13_C` cholesterol. Variables are renamed and recoded
from cycle to cycle. A wrong address is answered by a web page, which downloaders have kept as `.xpt`.

Every file is a drop, whole of its component and cycle. Participants are `patient`; what is of the survey, such as age
and weights, is `survey_participant`. A file of measurements may come before that of its participants.

Its block, an HTTP server, says: `https://wwwn.cdc.gov/Nchs/Data/Nhanes/Public/`, as its listing three pages,
`https://wwwn.cdc.gov/nchs/nhanes/search/datapage.aspx?Component=Demographics`, `…=Examination` and `…=Laboratory`, and
`only` the components below, as there are some 1,500 files.

Source: NCHS, "NHANES Questionnaires, Datasets, and Related Documentation", with a codebook for each file.
"""

from flows.mappings.nhanes import TO_OBSERVATION, TO_PATIENT, TO_SURVEY_PARTICIPANT
from spark.checks import Checks
from spark.readers import Sas
from spark.schemas import Observation, Patient, SurveyParticipant
from tasks.convert import convert
from tasks.ingest import ingest
from tasks.profile import profile
from tasks.publish import publish
from tasks.source import Dataset, Delivery, Drop, Source
from tasks.transfer import transfer
from tasks.transform import transform
from tasks.unwrap import unwrap

FILES = {"demo": "DEMO", "bmx": "BMX", "bpx": "BPX", "bpxo": "BPXO", "ghb": "GHB|LAB10|L10", "tchol": "TCHOL|LAB13|L13"}
COMPONENT = rf"(?P<component>(P_)?({'|'.join(FILES.values())}))"

NHANES = Source(
    slug="nhanes",
    at="nhanes",
    zone="America/New_York",
    deliveries=(
        Delivery(
            kind="full",
            names=rf"(?i)(?P<year>\d{{4}})/DataFiles/{COMPONENT}(_[A-L])?\.xpt",
            key="{component}-{year}",
            part="{component}-{year}",
        ),
    ),
    datasets={
        name: Dataset(members=rf"(?i)(.*/)?(P_)?({files})(_[A-L])?\.xpt", reader=Sas()) for name, files in FILES.items()
    },
    quiet=None,  # a file that is cut off shows by its records of 80 bytes; what changes on the way is begun anew
    absent="deleted",  # a revised file takes the place of the one before
    phi="no",  # identifiers are taken out, and ages cut at 80
)

ANY = Checks(dangling=1)  # participants may come later than what is measured of them


@ingest(NHANES)
def nhanes(drop: Drop) -> None:
    """Bring one file of NHANES into the lake: a component of a cycle."""
    landed = transfer(drop)
    parts = unwrap(landed, expect=[])
    raw = convert(parts)
    profile(raw)
    publish(transform(raw, to=Patient, by={"demo": TO_PATIENT}))
    publish(transform(raw, to=SurveyParticipant, by={"demo": TO_SURVEY_PARTICIPANT}))
    publish(transform(raw, to=Observation, by=TO_OBSERVATION, checks=ANY))
