"""Numbers and names of persons, and how and where they are reached."""

from collections.abc import Sequence

from spark.recognising import checks
from spark.recognising.kinds.base import BODIES, END, PLANS, Kind, kind


def _several(values: Sequence[str]) -> bool:
    return len(values) > 2


PERSONAL: tuple[Kind, ...] = (
    # numbers of persons
    kind(
        "ssn",
        "ssn",
        (1.0, r"\bssn\b|\bsocial sec(?:urity|ondary|)\b(?! benefit| income)"),
        fits=checks.ssn,
        alone=checks.ssn_hyphened,
        surely=0.95,
    ),
    kind(
        "ein",
        "other_number",
        (
            1.0,
            rf"\b(?:ein|tin|employer identification|tax(?:payer)? (?:id|identification"
            rf"|number)){END}",
        ),
        fits=checks.ein,
        alone=checks.ein_hyphened,
        surely=0.9,
    ),
    kind(
        "member_id",
        "health_plan_number",
        (1.0, r"\b(?:mbi|hicn|rrb)\b(?!.*\b(?:indicator|date|cross reference)\b)"),
        (0.95, rf"\b{PLANS} (?:id|identification|number|card)"),
        (0.9, r"\b(?:group|policy|certificate|contract holder) number"),
        (0.6, r"^(?:current|previous) number$"),
        fits=checks.identifier,
        trust=0.9,
        alone=lambda v: max(checks.mbi(v), checks.hicn(v)),
        surely=0.96,
    ),
    kind(
        "mrn",
        "record_number",
        (1.0, r"\bmrn\b|\bmedical record\b(?!.*\bdate\b)|\bchart (?:number|id)|\bempi\b"),
        (0.9, r"^(?:patient|hospital|unit|visit) number$"),
        fits=checks.identifier,
        trust=0.9,
    ),
    kind(
        "account",
        "account_number",
        (1.0, r"\baccount (?:number|id)|\baccount$|\bcard number|\biban\b|\bpan\b|\brouting number"),
        fits=lambda v: checks.identifier(v.replace(" ", "")),
        trust=0.9,
        alone=checks.bank_account,
        surely=0.85,
    ),
    kind(
        "license",
        "license_number",
        (1.0, rf"\blicense{END}"),
        (0.95, r"^drivers?(?: license)?(?: number| id)?$|\bdrivers? license\b(?!.*state)"),
        fits=checks.identifier,
        trust=0.9,
    ),
    kind("passport", "other_number", (1.0, r"\bpassport\b"), fits=checks.identifier, trust=0.9),
    kind(
        "vehicle",
        "vehicle",
        (1.0, r"\b(?:vin|vehicle (?:id|identification)|license plate|plate number)\b"),
        fits=checks.identifier,
        alone=checks.vin,
        surely=0.95,
    ),
    kind(
        "device",
        "device",
        (
            1.0,
            r"\b(?:udi|device (?:id|serial|identification|number)|serial number|imei"
            r"|mac address)\b",
        ),
        fits=lambda v: max(checks.identifier(v), checks.udi(v)),
        trust=0.9,
        alone=checks.udi,
        surely=0.9,
    ),
    kind("photo", "photo", (0.9, r"\b(?:photo|photograph|portrait|picture|face image)s?$")),
    kind("biometric", "biometric", (0.9, r"\b(?:fingerprint|biometric|voiceprint|retina|iris scan)\b")),
    # how a person is reached
    kind(
        "email",
        "email",
        (1.0, r"\bemail\b(?!.*\b(?:type|indicator|flag|date|status|consent)\b)"),
        fits=checks.email,
        alone=checks.email,
        surely=0.99,
    ),
    kind("fax", "fax", (1.0, r"\b(?:fax|facsimile)\b"), fits=checks.phone),
    kind(
        "phone",
        "phone",
        (1.0, r"\b(?:phone|mobile|cellphone|pager)\b(?!.*\b(?:type|indicator|flag|consent)\b)"),
        fits=checks.phone,
        alone=lambda v: max(checks.phone_formatted(v), 0.6 * checks.phone_plain(v)),
        surely=0.93,
        least=0.6,
        among=_several,
    ),
    kind(
        "url",
        "url",
        (1.0, r"\b(?:url|uri|website|web (?:page|site|address)|link|homepage)s?$"),
        (0.7, r"^endpoint$"),
        fits=checks.url,
        alone=checks.url,
        surely=0.97,
    ),
    kind(
        "ip",
        "ip",
        (1.0, r"\bip (?:address|addr)|\bipv[46]?\b|\b(?:client|remote|source|host) ip\b|^ip$"),
        fits=checks.ip,
        alone=checks.ip,
        surely=0.95,
    ),
    # names
    kind(
        "first_name",
        "name",
        (1.0, r"\b(?:first|given) name(?: text)?$|^first$|^given$"),
        fits=checks.worded,
        alone=checks.first_name,
        surely=0.85,
        least=0.55,
    ),
    kind("middle_name", "name", (1.0, r"\bmiddle(?: (?:name|initial))?$"), fits=checks.worded),
    kind(
        "last_name",
        "name",
        (1.0, r"\b(?:last|family|maiden) name(?: text)?$|\bmaiden$|^last$"),
        fits=checks.worded,
        alone=checks.last_name,
        surely=0.8,
        least=0.4,
    ),
    kind(
        "full_name",
        "name",
        (
            0.95,
            r"\b(?:patient|member|beneficiary|subscriber|person|insured|guarantor|contact"
            r"|employee|full|spouse|guardian|mother|father|caregiver|owner|participant|subject"
            r"|next of kin|user|customer|client|display|provider|physician|doctor|prescriber"
            r"|investigator|official|practitioner|author|signature|recipient) (?:full )?name$",
        ),
        (0.55, r"\b(?:physician|provider|doctor|prescriber|surgeon|practitioner)$"),
        (0.6, r"^name$|^name of (?:patient|person)"),
        (0.3, r"\bname$"),
        fits=lambda v: 1.0 if checks.full_name(v) else 0.7 * checks.worded(v),
        alone=checks.full_name,
        surely=0.9,
        least=0.35,
    ),
    kind(
        "name_part",
        "name",
        (1.0, r"\b(?:prefix|suffix|title|credential|credentials|salutation|honorific)(?: text)?$"),
        fits=checks.name_part,
        alone=checks.name_part,
        surely=0.8,
        least=0.6,
    ),
    kind(
        "organization",
        None,
        (
            0.9,
            rf"\b{BODIES}\b.*\bname$|\blegal business name|\b(?:issuer|sender|manufacturer"
            rf"|sponsor|employer)$",
        ),
        (0.6, r"\bentity name|\bname of .*\bentity"),
        fits=lambda v: max(checks.organization(v), 0.6 * float(len(v) > 2 and any(c.isalpha() for c in v))),
        alone=checks.organization,
        surely=0.9,
        least=0.35,
    ),
)
