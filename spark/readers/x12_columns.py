"""The columns of X12 claims (837) and payments (835), and of the envelope of any transaction set.

Source of names and places: the implementation guides ASC X12N 005010X222 (professional), X223 (institutional), X224
(dental) and X221 (payment), whose elements 004010 has in the same places.
"""

from collections.abc import Iterator

from spark.readers.x12_build import Column, Group, Level, Party, Segment, Values, element


def _codes(segment: Segment, component: str) -> Iterator[Values]:
    for composite in filter(None, segment[1:]):
        parts = [part or None for part in composite.split(component)] + [None] * 9
        yield parts[0], parts[1], parts[2], parts[3], parts[4], parts[8]


def _adjustments(segment: Segment, component: str) -> Iterator[Values]:
    for at in range(2, len(segment), 3):
        yield element(segment, 1), element(segment, at), element(segment, at + 1), element(segment, at + 2)


def _provider_adjustments(segment: Segment, component: str) -> Iterator[Values]:
    for at in range(3, len(segment), 2):
        reason, _, reference = segment[at].partition(component)
        yield element(segment, 1), element(segment, 2), reason or None, reference or None, element(segment, at + 1)


def _two(segment: Segment, component: str) -> Iterator[Values]:
    yield element(segment, 1), element(segment, 2)


def _dtp(segment: Segment, component: str) -> Iterator[Values]:
    if segment[0] == "DTM":  # which has no format: it is always CCYYMMDD
        yield element(segment, 1), None, element(segment, 2)
    else:
        yield element(segment, 1), element(segment, 2), element(segment, 3)


def _modifiers(segment: Segment, component: str) -> Iterator[Values]:
    composite = element(segment, 2 if segment[0] == "SV2" else 1) or ""
    yield from ((part,) for part in composite.split(component)[2:6] if part)


def _pointers(segment: Segment, component: str) -> Iterator[Values]:
    composite = element(segment, {"SV1": 7, "SV3": 11}[segment[0]]) or ""
    yield from ((part,) for part in composite.split(component) if part)


def _dates(name: str) -> Group:
    return Group(name, ("qualifier", "format", "value"), "dates", ("DTP", "DTM"), _dtp)


def _references(name: str) -> Group:
    return Group(name, ("qualifier", "value"), "reference numbers", ("REF",), _two)


def _amounts(name: str) -> Group:
    return Group(name, ("qualifier", "value"), "amounts", ("AMT",), _two)


def _cas(name: str) -> Group:
    return Group(name, ("group", "reason", "amount", "quantity"), "adjustments", ("CAS",), _adjustments)


_ENVELOPE = (
    Column("interchange", "ISA13", "interchange control number"),
    Column("sender", "ISA06", "interchange sender, as padded"),
    Column("receiver", "ISA08", "interchange receiver, as padded"),
    Column("interchange_date", "ISA09", "YYMMDD"),
    Column("usage", "ISA15", "P production, T test"),
    Column("group_control", "GS06", "group control number"),
    Column("version", "GS08", "implementation guide"),
    Column("transaction", "ST02", "transaction set control number"),
)

_ABOUT_HEADER = "segments of the envelope (ISA, GS) and of the transaction (ST and what follows) above its levels"
_ABOUT_LEVELS = "segments of the levels above the claim"
_ABOUT_CLAIM = "all segments of the claim, but for its service lines"
_ABOUT_LINE = "all segments of the service line"

CLAIM_TRANSACTION = Level(
    columns=(
        *_ENVELOPE,
        Column("batch_purpose", "BHT02", "00 original, 18 reissue"),
        Column("batch_id", "BHT03", "originator's reference"),
        Column("batch_date", "BHT04", "CCYYMMDD"),
        Column("batch_time", "BHT05", "HHMM"),
        Column("batch_type", "BHT06", "CH chargeable, RP reporting (encounters), 31 subrogation"),
    ),
    who=(Party("submitter", "41", "submitter"), Party("claims_receiver", "40", "receiver")),
    segments="transaction_segments",
    segments_about=_ABOUT_HEADER,
)

CLAIM_LEVELS = Level(
    columns=(
        Column("billing_taxonomy", "PRV[BI]03", "billing provider's taxonomy"),
        Column("payer_sequence", "SBR01", "P primary, S secondary, T tertiary"),
        Column("subscriber_relationship", "SBR02", "18 where the patient is the subscriber"),
        Column("group_number", "SBR03", "insured group or policy number"),
        Column("group_name", "SBR04", "insured group's name"),
        Column("claim_filing", "SBR09", "kind of insurance: MB Medicare B, MC Medicaid, CI commercial"),
        Column("patient_relationship", "PAT01", "patient's relationship to the subscriber"),
    ),
    who=(
        Party("billing_provider", "85", "billing provider"),
        Party("pay_to", "87", "pay-to address"),
        Party("subscriber", "IL", "subscriber"),
        Party("payer", "PR", "payer"),
        Party("patient", "QC", "patient, where it is not the subscriber"),
    ),
    segments="level_segments",
    segments_about=_ABOUT_LEVELS,
)

CLAIM = Level(
    columns=(
        Column("claim_id", "CLM01", "patient control number, the provider's"),
        Column("claim_charge", "CLM02", "total charge"),
        Column("place_of_service", "CLM05-1", "place of service, or the first two digits of the type of bill"),
        Column("facility_qualifier", "CLM05-2", "B place of service, A type of bill"),
        Column("claim_frequency", "CLM05-3", "1 original, 7 replacement, 8 void"),
        Column("assignment", "CLM07", "A assigned, B lab services only, C not"),
        Column("admission_type", "CL101", "institutional"),
        Column("admission_source", "CL102", "institutional"),
        Column("patient_status", "CL103", "institutional: discharge status"),
        Column("patient_paid", "AMT[F5]02", "amount that the patient paid"),
        Column("payer_claim_id", "REF[F8]02", "payer's claim control number, of what is replaced"),
        Column("authorization", "REF[G1]02", "prior authorization"),
        Column("referral", "REF[9F]02", "referral number"),
        Column("medical_record", "REF[EA]02", "medical record number"),
    ),
    groups=(
        Group(
            "codes",
            ("qualifier", "code", "date_format", "date", "amount", "present_on_admission"),
            "diagnoses (ABK principal, ABF others; BK, BF in ICD-9), procedures (BBR, BBQ), DRG (DR), occurrences (BH),"
            " values (BE), conditions (BG)",
            ("HI",),
            _codes,
        ),
        _dates("claim_dates"),
        _references("claim_references"),
        _amounts("claim_amounts"),
    ),
    loops=("NM1", "SBR"),
    others=("SBR",),
    parties="claim_parties",
    segments="claim_segments",
    segments_about=_ABOUT_CLAIM,
)

CLAIM_LINE = Level(
    columns=(
        Column("line_number", "LX01", "assigned number"),
        Column("revenue_code", "SV201", "institutional"),
        Column("procedure_qualifier", "SV101-1|SV202-1|SV301-1", "HC HCPCS or CPT, AD dental"),
        Column("procedure_code", "SV101-2|SV202-2|SV301-2", "procedure"),
        Column("procedure_description", "SV101-7|SV202-7|SV301-7", "what a code without meaning stands for"),
        Column("line_charge", "SV102|SV203|SV302", "charge"),
        Column("unit", "SV103|SV204", "UN units, MJ minutes, DA days"),
        Column("quantity", "SV104|SV205|SV306", "units"),
        Column("line_place_of_service", "SV105|SV303", "where it is not the claim's"),
        Column("service_date", "DTP[472]03", "a day or, with a hyphen, a range"),
        Column("drug_qualifier", "LIN02", "N4 NDC"),
        Column("drug_code", "LIN03", "national drug code"),
        Column("line_control", "REF[6R]02", "line item control number, the provider's"),
    ),
    groups=(
        Group(
            "modifiers", ("",), "procedure modifiers, from the procedure's composite", ("SV1", "SV2", "SV3"), _modifiers
        ),
        Group("diagnosis_pointers", ("",), "which of the claim's diagnoses, from 1", ("SV1", "SV3"), _pointers),
        _dates("line_dates"),
        _references("line_references"),
        _amounts("line_amounts"),
    ),
    loops=("NM1", "SVD", "LQ"),
    others=("SVD",),
    parties="line_parties",
    segments="line_segments",
    segments_about=_ABOUT_LINE,
)

PAYMENT_TRANSACTION = Level(
    columns=(
        *_ENVELOPE,
        Column("payment_handling", "BPR01", "I with payment, H notification only, …"),
        Column("payment_amount", "BPR02", "total"),
        Column("credit_or_debit", "BPR03", "C or D"),
        Column("payment_method", "BPR04", "ACH, CHK, NON, …"),
        Column("payment_date", "BPR16", "CCYYMMDD"),
        Column("payment_number", "TRN02", "check or EFT trace number"),
        Column("payment_originator", "TRN03", "payer's identifier: 1 and its tax number"),
        Column("production_date", "DTM[405]02", "CCYYMMDD"),
    ),
    who=(Party("payer", "PR", "payer"), Party("payee", "PE", "payee")),
    segments="transaction_segments",
    segments_about=_ABOUT_HEADER,
)

PAYMENT_LEVELS = Level(
    columns=(
        Column("header_number", "LX01", "groups claims"),
        Column("summary_provider", "TS301", "provider, institutional"),
        Column("summary_facility_type", "TS302", "facility type, institutional"),
        Column("fiscal_period_end", "TS303", "CCYYMMDD, institutional"),
    ),
    segments="level_segments",
    segments_about=_ABOUT_LEVELS,
)

PAYMENT = Level(
    columns=(
        Column("claim_id", "CLP01", "patient control number, the provider's"),
        Column("claim_status", "CLP02", "1 primary, 2 secondary, 3 tertiary, 4 denied, 22 reversal, …"),
        Column("claim_charge", "CLP03", "total charge"),
        Column("claim_paid", "CLP04", "payment"),
        Column("patient_responsibility", "CLP05", "of the charge"),
        Column("claim_filing", "CLP06", "kind of insurance: MB Medicare B, MC Medicaid, 12 PPO"),
        Column("payer_claim_id", "CLP07", "payer's claim control number"),
        Column("place_of_service", "CLP08", "place of service, or the first two digits of the type of bill"),
        Column("claim_frequency", "CLP09", "1 original, 7 replacement, 8 void"),
        Column("drg", "CLP11", "diagnosis related group"),
        Column("drg_weight", "CLP12", "its weight"),
    ),
    groups=(
        _cas("claim_adjustments"),
        _dates("claim_dates"),
        _references("claim_references"),
        _amounts("claim_amounts"),
        Group("claim_quantities", ("qualifier", "value"), "quantities", ("QTY",), _two),
    ),
    who=(
        Party("patient", "QC", "patient"),
        Party("subscriber", "IL", "subscriber, where it is not the patient"),
        Party("corrected_patient", "74", "patient or subscriber as the payer knows them"),
        Party("rendering_provider", "82", "rendering provider"),
    ),
    parties="claim_parties",
    segments="claim_segments",
    segments_about=_ABOUT_CLAIM,
)

PAYMENT_LINE = Level(
    columns=(
        Column("procedure_qualifier", "SVC01-1", "HC HCPCS or CPT, AD dental, NU revenue code, N4 NDC"),
        Column("procedure_code", "SVC01-2", "procedure that was adjudicated"),
        Column("procedure_description", "SVC01-7", "procedure, in words"),
        Column("line_charge", "SVC02", "charge"),
        Column("line_paid", "SVC03", "payment"),
        Column("revenue_code", "SVC04", "institutional"),
        Column("quantity", "SVC05", "units paid, 1 where it lacks"),
        Column("submitted_procedure", "SVC06", "composite, where another one was adjudicated"),
        Column("submitted_quantity", "SVC07", "units, where others were paid"),
        Column("service_date", "DTM[472]02|DTM[150]02", "day or first day, CCYYMMDD"),
        Column("service_date_end", "DTM[151]02", "last day, CCYYMMDD"),
        Column("line_control", "REF[6R]02", "line item control number, the provider's"),
    ),
    groups=(
        Group("modifiers", ("",), "procedure modifiers, from the procedure's composite", ("SVC",), _modifiers),
        _cas("line_adjustments"),
        _dates("line_dates"),
        _references("line_references"),
        _amounts("line_amounts"),
        Group("line_remarks", ("qualifier", "code"), "remarks (HE remark codes, RX NCPDP)", ("LQ",), _two),
    ),
    segments="line_segments",
    segments_about=_ABOUT_LINE,
)

BEHIND = Level(
    groups=(
        Group(
            "provider_adjustments",
            ("provider", "fiscal_period_end", "reason", "reference", "amount"),
            "adjustments that belong to no claim, of the whole transaction",
            ("PLB",),
            _provider_adjustments,
        ),
    ),
    segments="other_segments",
    segments_about="segments of the transaction that belong to no claim: levels without one, PLB, SE",
)

ANY = Level(
    columns=(
        Column("transaction_set", "ST01", "834 enrollment, 820 premiums, 277 claim status, 999 acknowledgment, …"),
        *_ENVELOPE,
        Column("component_separator", "ISA16", "what separates components within an element"),
        Column("repetition_separator", "ISA11", "what separates an element's repetitions, from version 00402 on"),
    ),
    segments="envelope_segments",
    segments_about="the envelope's segments: ISA, GS and ST",
)
"""What stands above the segments of any transaction."""

LEVELS = {
    "837": (CLAIM_TRANSACTION, CLAIM_LEVELS, CLAIM, CLAIM_LINE, BEHIND._replace(groups=())),
    "835": (PAYMENT_TRANSACTION, PAYMENT_LEVELS, PAYMENT, PAYMENT_LINE, BEHIND),
}
"""By transaction set: the columns of transaction, levels above claims, claim, service line, and what is behind."""
