"""The synthetic outside world of ClinicalTrials.gov, in the layout of its API's version 2.0.5.

A `World` is a registry that evolves: studies are registered, change from day to day and are sometimes withdrawn. A
study is a pure function of (seed, number, day). No module and no key of a study is always there, as in the registry.
`World.truth` tells what `current.trial` must be of the studies of a day.

    world = World(seed=1, studies=200)
    world.studies(3)  # as the API gives them, in the order of their numbers
    world.truth(3)
"""

import random
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

Study = dict[str, Any]
Row = dict[str, Any]

FIRST = date(2026, 11, 23)
"""Day 0, a Monday."""

_CONDITIONS = {"Hypertension": "D006973", "Diabetes Mellitus, Type 2": "D003924", "Asthma": "D001249", "Übelkeit": ""}
_DRUGS = {"Repaglinide": "C072379", "Metformin": "D008687", "Losartan": "D019808", "Placebo": ""}
_COUNTRIES = ("United States", "Germany", "Türkiye", "Côte d'Ivoire")
_INTERVENTIONAL = ("RECRUITING", "NOT_YET_RECRUITING", "ACTIVE_NOT_RECRUITING", "COMPLETED", "TERMINATED", "UNKNOWN")
_RATE = 0.15  # share of studies that change on a day
_GONE = 0.03  # share that is withdrawn


@dataclass
class World:
    """`studies` on day 0, and `new` ones on every day after; `corrected` are numbers of studies restated in mid-day."""

    seed: int
    size: int = 100
    new: int = 5
    corrected: set[int] = field(default_factory=set)

    def numbers(self, day: int) -> list[int]:
        """The numbers of the studies that are there on a day."""
        return [
            number
            for number in range(self.size + self.new * day)
            if not any(self._of(number, then, "gone").random() < _GONE for then in range(1, day + 1))
        ]

    def studies(self, day: int) -> list[Study]:
        """The studies of a day."""
        return [self._study(number, day) for number in self.numbers(day)]

    def truth(self, day: int) -> dict[str, Row]:
        """The rows of `current.trial` by `nct_id`; of a column that is not named there is no value."""
        rows = [_row(study) for study in self.studies(day)]
        return {row["nct_id"]: row for row in rows}

    def _of(self, number: int, day: int, what: str) -> random.Random:
        return random.Random(f"{self.seed}:{number}:{day}:{what}")

    def _changed(self, number: int, day: int) -> int:
        """The day on which a study changed last."""
        return next(
            (then for then in range(day, 0, -1) if self._of(number, then, "changes").random() < _RATE),
            max(0, (number - self.size) // self.new + 1),
        )

    def _study(self, number: int, day: int) -> Study:
        of = self._of(number, 0, "study")
        changed = self._changed(number, day)
        now = self._of(number, changed, "state")
        registered = FIRST - timedelta(days=of.randrange(100, 4000))
        submitted = FIRST + timedelta(days=changed)
        kind = of.choices(("INTERVENTIONAL", "OBSERVATIONAL", "EXPANDED_ACCESS"), (75, 22, 3))[0]
        title = f"Study {number} of {of.choice(list(_DRUGS))}" + (" (corrected)" if number in self.corrected else "")
        protocol: Study = {
            "identificationModule": {
                "nctId": f"NCT{6_000_000 + number:08}",
                "orgStudyIdInfo": {"id": f"ORG-{number}"},
                **_maybe(of, 0.3, secondaryIdInfos=[{"id": f"R01-{number}", "type": "NIH"}, {"domain": "EudraCT"}]),
                "briefTitle": title,
                **_maybe(of, 0.9, officialTitle=f"{title}: “a randomised\ncomparison”"),
                **_maybe(of, 0.2, acronym=f"ACRO-{number}"),
            },
            "statusModule": _status(kind, registered, submitted, of, now),
            "sponsorCollaboratorsModule": {
                "leadSponsor": {"name": f"Sponsor {of.randrange(9)}", "class": of.choice(("INDUSTRY", "NIH", "OTHER"))},
                **_maybe(of, 0.3, collaborators=[{"name": f"Helper {n}", "class": "OTHER"} for n in range(2)]),
            },
            **_maybe(of, 0.8, oversightModule=_flags(of)),
            "descriptionModule": {"briefSummary": f"Summary {number}\n\n* with a list, and \\>= an escape"},
            **_maybe(of, 0.95, conditionsModule=_conditions(of)),
            "designModule": _design(kind, of, now),
            **_maybe(of, 0.9, armsInterventionsModule=_arms(of)),
            **_maybe(of, 0.9, outcomesModule={"primaryOutcomes": [{"measure": f"Outcome {n}"} for n in range(2)]}),
            "eligibilityModule": {
                "eligibilityCriteria": f"Inclusion: {number} or more",
                **_maybe(of, 0.9, healthyVolunteers=of.random() < 0.3),
                "sex": of.choice(("ALL", "FEMALE", "MALE")),
                **_maybe(of, 0.9, minimumAge=of.choice(("18 Years", "6 Months"))),
                **_maybe(of, 0.5, maximumAge="75 Years"),
                "stdAges": ["ADULT"],
            },
            **_maybe(of, 0.85, contactsLocationsModule={"locations": [_location(of) for _ in range(3)]}),
            **_maybe(of, 0.4, referencesModule={"references": [{"pmid": f"{number + 1}"}, {"citation": "A book"}]}),
        }
        found: Study = {"protocolSection": protocol, "derivedSection": _derived(protocol, of)}
        if "resultsFirstPostDateStruct" in protocol["statusModule"]:
            found["resultsSection"] = {"participantFlowModule": {"groups": [{"id": "FG000"}], "share": 1.5}}
        return found | {"hasResults": "resultsSection" in found}


def _maybe(of: random.Random, share: float, **given: Any) -> Study:  # noqa: ANN401  # any JSON
    return given if of.random() < share else {}


def _status(kind: str, registered: date, submitted: date, of: random.Random, now: random.Random) -> Study:
    overall = "AVAILABLE" if kind == "EXPANDED_ACCESS" else now.choice(_INTERVENTIONAL)
    started = registered + timedelta(days=30)
    results = overall == "COMPLETED" and now.random() < 0.5
    return {
        "statusVerifiedDate": f"{submitted:%Y-%m}",
        "overallStatus": overall,
        **({"whyStopped": "No funds"} if overall == "TERMINATED" else {}),
        "expandedAccessInfo": {"hasExpandedAccess": False},
        **_maybe(of, 0.9, startDateStruct={"date": f"{started:%Y-%m}" if of.random() < 0.4 else str(started)}),
        **_maybe(of, 0.8, completionDateStruct={"date": f"{started.year + 3}-02", "type": "ESTIMATED"}),
        "studyFirstSubmitDate": str(registered),
        "studyFirstPostDateStruct": {"date": str(registered + timedelta(days=5)), "type": "ESTIMATED"},
        **({"resultsFirstPostDateStruct": {"date": str(submitted), "type": "ACTUAL"}} if results else {}),
        "lastUpdateSubmitDate": str(submitted),
        "lastUpdatePostDateStruct": {"date": str(submitted + timedelta(days=2)), "type": "ACTUAL"},
    }


def _flags(of: random.Random) -> Study:
    return {
        **_maybe(of, 0.7, oversightHasDmc=of.random() < 0.5),
        "isFdaRegulatedDrug": of.random() < 0.5,
        "isFdaRegulatedDevice": False,
    }


def _conditions(of: random.Random) -> Study:
    names = of.sample(list(_CONDITIONS), of.randrange(1, 3))
    return {"conditions": names, **_maybe(of, 0.5, keywords=["keyword", f"word {of.randrange(9)}"])}


def _design(kind: str, of: random.Random, now: random.Random) -> Study:
    if kind == "EXPANDED_ACCESS":
        return {"studyType": kind, "expandedAccessTypes": {"treatment": True}}
    enrolled = {"enrollmentInfo": {"count": now.randrange(5000), "type": "ESTIMATED"}}
    if kind == "OBSERVATIONAL":
        design: Study = {"observationalModel": "COHORT", "timePerspective": "PROSPECTIVE"}
        return {"studyType": kind, "patientRegistry": False, "designInfo": design, **enrolled}
    design = {
        "allocation": "RANDOMIZED",
        "interventionModel": "PARALLEL",
        "primaryPurpose": "TREATMENT",
        "maskingInfo": {"masking": "DOUBLE", "whoMasked": ["PARTICIPANT", "INVESTIGATOR"]},
    }
    phases = of.choice((["NA"], ["PHASE3"], ["PHASE1", "PHASE2"]))
    return {"studyType": kind, "phases": phases, "designInfo": design, **enrolled}


def _arms(of: random.Random) -> Study:
    return {"interventions": [{"type": "DRUG", "name": name} for name in of.sample(list(_DRUGS), of.randrange(1, 3))]}


def _location(of: random.Random) -> Study:
    place = {"facility": "Clinic", "city": "Town", "geoPoint": {"lat": 48.13743, "lon": 11.57549}}
    return {**place, **_maybe(of, 0.95, country=of.choice(_COUNTRIES))}


def _derived(protocol: Study, of: random.Random) -> Study:
    """What the registry finds in its thesaurus, as far as it does."""
    conditions = protocol.get("conditionsModule", {}).get("conditions", ())
    drugs = [arm["name"] for arm in protocol.get("armsInterventionsModule", {}).get("interventions", ())]
    found = {
        "conditionBrowseModule": [{"id": _CONDITIONS[name], "term": name} for name in conditions if _CONDITIONS[name]],
        "interventionBrowseModule": [{"id": _DRUGS[name], "term": name} for name in drugs if _DRUGS[name]],
    }
    return {
        "miscInfoModule": {"versionHolder": str(FIRST), **_maybe(of, 0.1, removedCountries=["France"])},
        **{module: {"meshes": meshes} for module, meshes in found.items() if meshes},
    }


def _row(study: Study) -> Row:
    """The row that a study is, by columns that have a value."""

    def at(path: str) -> Any:  # noqa: ANN401  # any JSON
        found: Any = study
        for step in path.split("."):
            found = found.get(step, {})
        return None if found == {} else found

    def day(path: str) -> date | None:
        found = at(path)
        return date.fromisoformat(found) if found else None

    def each(path: str, key: str) -> list[str] | None:
        return list(dict.fromkeys(item[key] for item in at(path) or () if key in item)) or None

    about, status = "protocolSection.identificationModule", "protocolSection.statusModule"
    design, eligible = "protocolSection.designModule", "protocolSection.eligibilityModule"
    arms = at("protocolSection.armsInterventionsModule.interventions")
    row = {
        "nct_id": at(f"{about}.nctId"),
        "brief_title": at(f"{about}.briefTitle"),
        "official_title": at(f"{about}.officialTitle"),
        "acronym": at(f"{about}.acronym"),
        "org_study_id": at(f"{about}.orgStudyIdInfo.id"),
        "secondary_ids": each(f"{about}.secondaryIdInfos", "id"),
        "study_type": at(f"{design}.studyType"),
        "phases": at(f"{design}.phases"),
        "overall_status": at(f"{status}.overallStatus"),
        "why_stopped": at(f"{status}.whyStopped"),
        "start_date": at(f"{status}.startDateStruct.date"),
        "completion_date": at(f"{status}.completionDateStruct.date"),
        "completion_date_type": at(f"{status}.completionDateStruct.type"),
        "first_submitted_date": day(f"{status}.studyFirstSubmitDate"),
        "first_posted_date": day(f"{status}.studyFirstPostDateStruct.date"),
        "results_first_posted_date": day(f"{status}.resultsFirstPostDateStruct.date"),
        "last_update_submitted_date": day(f"{status}.lastUpdateSubmitDate"),
        "last_update_posted_date": day(f"{status}.lastUpdatePostDateStruct.date"),
        "status_verified_date": at(f"{status}.statusVerifiedDate"),
        "lead_sponsor_name": at("protocolSection.sponsorCollaboratorsModule.leadSponsor.name"),
        "lead_sponsor_class": at("protocolSection.sponsorCollaboratorsModule.leadSponsor.class"),
        "collaborators": each("protocolSection.sponsorCollaboratorsModule.collaborators", "name"),
        "allocation": at(f"{design}.designInfo.allocation"),
        "intervention_model": at(f"{design}.designInfo.interventionModel")
        or at(f"{design}.designInfo.observationalModel"),
        "primary_purpose": at(f"{design}.designInfo.primaryPurpose") or at(f"{design}.designInfo.timePerspective"),
        "masking": at(f"{design}.designInfo.maskingInfo.masking"),
        "enrollment_count": at(f"{design}.enrollmentInfo.count"),
        "enrollment_type": at(f"{design}.enrollmentInfo.type"),
        "conditions": at("protocolSection.conditionsModule.conditions"),
        "condition_mesh_ids": each("derivedSection.conditionBrowseModule.meshes", "id"),
        "keywords": at("protocolSection.conditionsModule.keywords"),
        "interventions": [f"{arm['type']}: {arm['name']}" for arm in arms] if arms else None,
        "intervention_mesh_ids": each("derivedSection.interventionBrowseModule.meshes", "id"),
        "primary_outcomes": each("protocolSection.outcomesModule.primaryOutcomes", "measure"),
        "sex": at(f"{eligible}.sex"),
        "minimum_age": at(f"{eligible}.minimumAge"),
        "maximum_age": at(f"{eligible}.maximumAge"),
        "healthy_volunteers": at(f"{eligible}.healthyVolunteers"),
        "eligibility_criteria": at(f"{eligible}.eligibilityCriteria"),
        "brief_summary": at("protocolSection.descriptionModule.briefSummary"),
        "countries": each("protocolSection.contactsLocationsModule.locations", "country"),
        "publication_pmids": each("protocolSection.referencesModule.references", "pmid"),
        "has_data_monitoring_committee": at("protocolSection.oversightModule.oversightHasDmc"),
        "is_fda_regulated_drug": at("protocolSection.oversightModule.isFdaRegulatedDrug"),
        "is_fda_regulated_device": at("protocolSection.oversightModule.isFdaRegulatedDevice"),
        "has_results": at("hasResults"),
    }
    return {name: value for name, value in row.items() if value is not None}
