"""ClinicalTrials.gov: what a study holds, and how it becomes a trial.

Fields are those of the API's documentation, "Study Data Structure", and of the studies seen. They are declared and not
drafted, so that a column has its type on every day, whatever a day's first studies hold; what is new in the structure
stands in `_special` until it is declared here. Results are kept as they come.
"""

from spark.mapping import Mapping, date, partial_date, text
from spark.readers.fields import Shape

_DAY: dict[str, Shape] = {"date": "text", "type": "text"}
_ORGANIZATION: dict[str, Shape] = {"name": "text", "class": "text"}
_CONTACT: dict[str, Shape] = {"name": "text", "role": "text", "phone": "text", "phoneExt": "text", "email": "text"}
_OUTCOMES: list[Shape] = [{"measure": "text", "description": "text", "timeFrame": "text"}]
_BROWSE: dict[str, Shape] = {
    "meshes": [{"id": "text", "term": "text"}],
    "ancestors": [{"id": "text", "term": "text"}],
    "browseLeaves": [{"id": "text", "name": "text", "asFound": "text", "relevance": "text"}],
    "browseBranches": [{"abbrev": "text", "name": "text"}],
}

STUDY: dict[str, Shape] = {
    "protocolSection": {
        "identificationModule": {
            "nctId": "text",
            "nctIdAliases": ["text"],
            "orgStudyIdInfo": {"id": "text", "type": "text", "link": "text"},
            "secondaryIdInfos": [{"id": "text", "type": "text", "domain": "text", "link": "text"}],
            "organization": {"fullName": "text", "class": "text"},
            "briefTitle": "text",
            "officialTitle": "text",
            "acronym": "text",
        },
        "statusModule": {
            "statusVerifiedDate": "text",
            "overallStatus": "text",
            "lastKnownStatus": "text",
            "delayedPosting": "bool",
            "whyStopped": "text",
            "expandedAccessInfo": {"hasExpandedAccess": "bool", "nctId": "text", "statusForNctId": "text"},
            "startDateStruct": _DAY,
            "primaryCompletionDateStruct": _DAY,
            "completionDateStruct": _DAY,
            "studyFirstSubmitDate": "text",
            "studyFirstSubmitQcDate": "text",
            "studyFirstPostDateStruct": _DAY,
            "resultsWaived": "bool",
            "resultsFirstSubmitDate": "text",
            "resultsFirstSubmitQcDate": "text",
            "resultsFirstPostDateStruct": _DAY,
            "dispFirstSubmitDate": "text",
            "dispFirstSubmitQcDate": "text",
            "dispFirstPostDateStruct": _DAY,
            "lastUpdateSubmitDate": "text",
            "lastUpdatePostDateStruct": _DAY,
        },
        "sponsorCollaboratorsModule": {
            "responsibleParty": {
                "type": "text",
                "investigatorFullName": "text",
                "investigatorTitle": "text",
                "investigatorAffiliation": "text",
                "oldNameTitle": "text",
                "oldOrganization": "text",
            },
            "leadSponsor": _ORGANIZATION,
            "collaborators": [_ORGANIZATION],
        },
        "oversightModule": {
            "oversightHasDmc": "bool",
            "isFdaRegulatedDrug": "bool",
            "isFdaRegulatedDevice": "bool",
            "isUnapprovedDevice": "bool",
            "isPpsd": "bool",
            "isUsExport": "bool",
            "fdaaa801Violation": "bool",
        },
        "descriptionModule": {"briefSummary": "text", "detailedDescription": "text"},
        "conditionsModule": {"conditions": ["text"], "keywords": ["text"]},
        "designModule": {
            "studyType": "text",
            "nPtrsToThisExpAccNctId": "int",
            "expandedAccessTypes": {"individual": "bool", "intermediate": "bool", "treatment": "bool"},
            "patientRegistry": "bool",
            "targetDuration": "text",
            "phases": ["text"],
            "designInfo": {
                "allocation": "text",
                "interventionModel": "text",
                "interventionModelDescription": "text",
                "primaryPurpose": "text",
                "observationalModel": "text",
                "timePerspective": "text",
                "maskingInfo": {"masking": "text", "maskingDescription": "text", "whoMasked": ["text"]},
            },
            "bioSpec": {"retention": "text", "description": "text"},
            "enrollmentInfo": {"count": "int", "type": "text"},
        },
        "armsInterventionsModule": {
            "armGroups": [{"label": "text", "type": "text", "description": "text", "interventionNames": ["text"]}],
            "interventions": [
                {
                    "type": "text",
                    "name": "text",
                    "description": "text",
                    "armGroupLabels": ["text"],
                    "otherNames": ["text"],
                }
            ],
        },
        "outcomesModule": {
            "primaryOutcomes": _OUTCOMES,
            "secondaryOutcomes": _OUTCOMES,
            "otherOutcomes": _OUTCOMES,
        },
        "eligibilityModule": {
            "eligibilityCriteria": "text",
            "healthyVolunteers": "bool",
            "sex": "text",
            "genderBased": "bool",
            "genderDescription": "text",
            "minimumAge": "text",
            "maximumAge": "text",
            "stdAges": ["text"],
            "studyPopulation": "text",
            "samplingMethod": "text",
        },
        "contactsLocationsModule": {
            "centralContacts": [_CONTACT],
            "overallOfficials": [{"name": "text", "affiliation": "text", "role": "text"}],
            "locations": [
                {
                    "facility": "text",
                    "status": "text",
                    "city": "text",
                    "state": "text",
                    "zip": "text",
                    "country": "text",
                    "contacts": [_CONTACT],
                    "geoPoint": {"lat": "double", "lon": "double"},
                }
            ],
        },
        "referencesModule": {
            "references": [
                {
                    "pmid": "text",
                    "type": "text",
                    "citation": "text",
                    "retractions": [{"pmid": "text", "source": "text"}],
                }
            ],
            "seeAlsoLinks": [{"label": "text", "url": "text"}],
            "availIpds": [{"id": "text", "type": "text", "url": "text", "comment": "text"}],
        },
        "ipdSharingStatementModule": {
            "ipdSharing": "text",
            "description": "text",
            "infoTypes": ["text"],
            "timeFrame": "text",
            "accessCriteria": "text",
            "url": "text",
        },
    },
    "resultsSection": "json",
    "annotationSection": "json",
    "documentSection": {
        "largeDocumentModule": {
            "noSap": "bool",
            "largeDocs": [
                {
                    "typeAbbrev": "text",
                    "hasProtocol": "bool",
                    "hasSap": "bool",
                    "hasIcf": "bool",
                    "label": "text",
                    "date": "text",
                    "uploadDate": "text",
                    "filename": "text",
                    "size": "int",
                }
            ],
        },
    },
    "derivedSection": {
        "miscInfoModule": {
            "versionHolder": "text",
            "removedCountries": ["text"],
            "submissionTracking": "json",
            "modelPredictions": {"bmiLimits": {"minBmi": "double", "maxBmi": "double"}},
        },
        "conditionBrowseModule": _BROWSE,
        "interventionBrowseModule": _BROWSE,
    },
    "hasResults": "bool",
}

_ABOUT = "protocolSection.identificationModule"
_STATUS = "protocolSection.statusModule"
_SPONSORS = "protocolSection.sponsorCollaboratorsModule"
_OVERSIGHT = "protocolSection.oversightModule"
_DESIGN = "protocolSection.designModule"
_ELIGIBLE = "protocolSection.eligibilityModule"


def _given(array: str) -> str:
    """The elements that there are, each once, in their order; null where there are none."""
    there = f"array_distinct(filter({array}, element -> element IS NOT NULL))"
    return f"CASE WHEN size({there}) > 0 THEN {there} END"


TO_TRIAL = Mapping(
    columns={
        "nct_id": text(f"{_ABOUT}.nctId"),
        "brief_title": text(f"{_ABOUT}.briefTitle"),
        "official_title": text(f"{_ABOUT}.officialTitle"),
        "acronym": text(f"{_ABOUT}.acronym"),
        "org_study_id": text(f"{_ABOUT}.orgStudyIdInfo.id"),
        "secondary_ids": _given(f"{_ABOUT}.secondaryIdInfos.id"),
        "study_type": text(f"{_DESIGN}.studyType"),
        "phases": f"{_DESIGN}.phases",
        "overall_status": text(f"{_STATUS}.overallStatus"),
        "why_stopped": text(f"{_STATUS}.whyStopped"),
        "start_date": partial_date(f"{_STATUS}.startDateStruct.date"),
        "start_date_type": text(f"{_STATUS}.startDateStruct.type"),
        "primary_completion_date": partial_date(f"{_STATUS}.primaryCompletionDateStruct.date"),
        "primary_completion_date_type": text(f"{_STATUS}.primaryCompletionDateStruct.type"),
        "completion_date": partial_date(f"{_STATUS}.completionDateStruct.date"),
        "completion_date_type": text(f"{_STATUS}.completionDateStruct.type"),
        "first_submitted_date": date(f"{_STATUS}.studyFirstSubmitDate", "yyyy-MM-dd"),
        "first_posted_date": date(f"{_STATUS}.studyFirstPostDateStruct.date", "yyyy-MM-dd"),
        "results_first_posted_date": date(f"{_STATUS}.resultsFirstPostDateStruct.date", "yyyy-MM-dd"),
        "last_update_submitted_date": date(f"{_STATUS}.lastUpdateSubmitDate", "yyyy-MM-dd"),
        "last_update_posted_date": date(f"{_STATUS}.lastUpdatePostDateStruct.date", "yyyy-MM-dd"),
        "status_verified_date": partial_date(f"{_STATUS}.statusVerifiedDate"),
        "lead_sponsor_name": text(f"{_SPONSORS}.leadSponsor.name"),
        "lead_sponsor_class": text(f"{_SPONSORS}.leadSponsor.class"),
        "collaborators": f"{_SPONSORS}.collaborators.name",
        "allocation": text(f"{_DESIGN}.designInfo.allocation"),
        "intervention_model": (
            f"coalesce({_DESIGN}.designInfo.interventionModel, {_DESIGN}.designInfo.observationalModel)"
        ),
        "primary_purpose": f"coalesce({_DESIGN}.designInfo.primaryPurpose, {_DESIGN}.designInfo.timePerspective)",
        "masking": text(f"{_DESIGN}.designInfo.maskingInfo.masking"),
        "enrollment_count": f"{_DESIGN}.enrollmentInfo.count",
        "enrollment_type": text(f"{_DESIGN}.enrollmentInfo.type"),
        "conditions": "protocolSection.conditionsModule.conditions",
        "condition_mesh_ids": "derivedSection.conditionBrowseModule.meshes.id",
        "keywords": "protocolSection.conditionsModule.keywords",
        "interventions": (
            "transform(protocolSection.armsInterventionsModule.interventions, i -> concat_ws(': ', i.type, i.name))"
        ),
        "intervention_mesh_ids": "derivedSection.interventionBrowseModule.meshes.id",
        "primary_outcomes": "protocolSection.outcomesModule.primaryOutcomes.measure",
        "sex": text(f"{_ELIGIBLE}.sex"),
        "minimum_age": text(f"{_ELIGIBLE}.minimumAge"),
        "maximum_age": text(f"{_ELIGIBLE}.maximumAge"),
        "healthy_volunteers": f"{_ELIGIBLE}.healthyVolunteers",
        "eligibility_criteria": text(f"{_ELIGIBLE}.eligibilityCriteria"),
        "brief_summary": text("protocolSection.descriptionModule.briefSummary"),
        "countries": _given("protocolSection.contactsLocationsModule.locations.country"),
        "publication_pmids": _given("protocolSection.referencesModule.references.pmid"),
        "has_data_monitoring_committee": f"{_OVERSIGHT}.oversightHasDmc",
        "is_fda_regulated_drug": f"{_OVERSIGHT}.isFdaRegulatedDrug",
        "is_fda_regulated_device": f"{_OVERSIGHT}.isFdaRegulatedDevice",
        "has_results": "hasResults",
    }
)
