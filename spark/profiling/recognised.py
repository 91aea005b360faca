"""What a column means, by its name and by what it holds."""

from pydantic import BaseModel

from spark.schemas.base import Phi


class Recognised(BaseModel, frozen=True):
    """What a column seems to hold. `kind` is such as `npi` or `birth_date`, `phi` the HIPAA identifier that it is.

    `confidence` is from 0 to 1. `evidence` says what it rests on, and shows no value.
    """

    kind: str
    confidence: float
    evidence: tuple[str, ...] = ()
    phi: Phi | None = None
