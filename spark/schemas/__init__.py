"""The common schemas: one table per subject, which every source on it is mapped to."""

from spark.schemas.adverse_event import (
    AdverseEvent,
    AdverseEventDrug,
    AdverseEventIndication,
    AdverseEventOutcome,
    AdverseEventReaction,
)
from spark.schemas.base import Column, Schema
from spark.schemas.claim import Claim, ClaimLine
from spark.schemas.diagnosis import Diagnosis
from spark.schemas.drug import Drug, DrugPackage
from spark.schemas.encounter import Encounter
from spark.schemas.observation import Observation
from spark.schemas.organization import Organization
from spark.schemas.patient import Patient
from spark.schemas.payment import Payment, PaymentProduct
from spark.schemas.provider import Provider
from spark.schemas.publication import Publication
from spark.schemas.survey_participant import SurveyParticipant
from spark.schemas.trial import Trial

SCHEMAS: dict[str, Schema] = {
    str(schema): schema
    for schema in (
        Provider,
        Organization,
        Payment,
        PaymentProduct,
        Patient,
        SurveyParticipant,
        Encounter,
        Diagnosis,
        Observation,
        Claim,
        ClaimLine,
        Drug,
        DrugPackage,
        AdverseEvent,
        AdverseEventDrug,
        AdverseEventIndication,
        AdverseEventReaction,
        AdverseEventOutcome,
        Trial,
        Publication,
    )
}
"""Common schemas by their tables' names."""

__all__ = [
    "SCHEMAS",
    "AdverseEvent",
    "AdverseEventDrug",
    "AdverseEventIndication",
    "AdverseEventOutcome",
    "AdverseEventReaction",
    "Claim",
    "ClaimLine",
    "Column",
    "Diagnosis",
    "Drug",
    "DrugPackage",
    "Encounter",
    "Observation",
    "Organization",
    "Patient",
    "Payment",
    "PaymentProduct",
    "Provider",
    "Publication",
    "Schema",
    "SurveyParticipant",
    "Trial",
]
