"""The person, text, measures, and what else columns hold."""

from spark.recognising import checks
from spark.recognising.kinds.base import PERSONS, Kind, kind

OTHERS: tuple[Kind, ...] = (
    # the person
    kind(
        "sex",
        None,
        (1.0, r"\bsex\b(?!.*\b(?:date|partner))|^female$"),
        fits=checks.sex,
        alone=checks.sex_words,
        surely=0.85,
        least=0.99,
    ),
    kind(
        "race",
        None,
        (1.0, r"\b(?:race|ethnicity|hispanic)\b"),
        fits=lambda v: max(checks.race(v), 0.9 * checks.code(v), 0.7 * checks.worded(v)),
        alone=checks.race,
        surely=0.7,
        least=0.6,
    ),
    # text
    kind(
        "text",
        "text",
        (
            1.0,
            r"\b(?:note|notes|remark|remarks|narrative|memo|free text|verbatim|transcript|message"
            r"|impression|literature reference|sig)$",
        ),
        (0.8, r"\btext$"),
        (
            0.85,
            r"(?<!code )\bcomments?$|\bcontextual information|\bcontext of\b|\b(?:chief complaint"
            r"|history)$|\bterms of\b",
        ),
        fits=lambda v: min(1.0, 0.4 * len(v.split())) if any(c.isalpha() for c in v) else 0.0,
    ),
    kind(
        "description",
        None,
        (
            0.85,
            r"\bdescription$|\b(?:drug|proprietary|nonproprietary|product|medication|procedure"
            r"|diagnosis|test|lab|raw \w+|medical|brand|generic|trade|ingredient|substance|item"
            r"|file|study|term|category|device|supply|plan type|course|program)s? name"
            r"|\bname of (?!.*\b(?:entity|patient|person)\b)|\btags$",
        ),
        (
            0.6,
            r"\b(?:specialty|speciality|position|label|taxonomy group|indication|route|area|drug"
            r"|use)$",
        ),
    ),
    # measures
    kind(
        "money",
        None,
        (
            0.95,
            r"\b(?:amount|charges?|costs?|price|fee|reimbursement|deductible|coinsurance|copay"
            r"|copayment|balance|expenses?|expenditure|revenue|usdollars|dollars|salary|payments?"
            r"|premium)$",
        ),
        (
            0.85,
            r"\b(?:total|paid|allowed|charged|billed) (?:amount|charges?|costs?|payments?)\b"
            r"|\bamount (?:of|covered|uncovered|paid|billed)\b|\btotal charges?\b|\bamount due$"
            r"|\bcharges? (?:line item|covered|noncovered)",
        ),
        (
            0.7,
            r"\b(?:outstanding|adjustments?|transfers|coverage|paid|rate|limit|invested"
            r"|overdraft limit|interest)$|\bvalue of interest",
        ),
        fits=checks.money,
        alone=lambda v: max(checks.money_signed(v), 0.35 * checks.cents(v)),
        surely=0.95,
        least=0.3,
    ),
    kind(
        "number",
        None,
        (
            0.9,
            r"\b(?:quantity|count|units?|days|hours|minutes|months|years|weight|height|length|bmi"
            r"|rate|percent|ratio|score|index|dose|dosage|volume|size|supply|width|temperature"
            r"|duration|utilization|dispenses|age at|blood pressure|circumference|segment|refills"
            r"|fraction|density)\b",
        ),
        (
            0.95,
            r"^(?:number|count|total|days) (?:of|to|from)\b|\b(?:line|version|fill|refill"
            r"|segment) (?:number|sequence)$|\bsequence number$|\b(?:value|result) number$"
            r"|^number\b(?! of)|\b(?:sequence|version)$|\bper day\b",
        ),
        fits=checks.number,
    ),
    # the rest
    kind(
        "boolean",
        None,
        (
            0.9,
            r"\b(?:indicator|flag|switch)$|^(?:is|has|was|did|does|ever|now|can)\b"
            r"|^indicator (?:of|that)\b|\byes no$",
        ),
        fits=checks.flag,
        alone=checks.boolean,
        surely=1.2,
        least=0.99,
    ),
    kind(
        "code",
        None,
        (
            0.8,
            r"\b(?:code|type|status|category|class|level|method|kind|modifier|language"
            r"|place of service|drg|mdc|reason|disposition|qualifier|classification|role)(?: (?:x"
            r"|r|uniform))?$",
        ),
        (
            0.75,
            r"^code\b|\b(?:group|comment|status|category) code\b|\b(?:type|status|class) (?:of"
            r"|code)\b|\bmodifier\b|\bcomment code$|\bstatus\b",
        ),
        (
            0.5,
            r"\b(?:source|system|group|payer|grade|education|country of birth|indicator|race"
            r"|form of|nature of|severity|mortality)\b",
        ),
        fits=lambda v: max(checks.code(v), 0.6 * float(len(v) < 40)),
        trust=0.1,
    ),
    kind(
        "id",
        "other_number",
        (
            0.97,
            rf"\b{PERSONS}(?: (?!line|value)\w+)? (?:id|number|key|sequence number)$|\b(?:key"
            rf"|uuid|guid|uid|control number|accession|accession number|reference number"
            rf"|confirmation number|identification)$",
        ),
        (0.85, r"\bid$"),
        (0.9, rf"^(?:other |previous )?{PERSONS}(?: source value)?$"),
        (0.6, r"\blot$"),
        (0.6, r"\bnumber$|\bid\b(?!.*\b(?:code|date|type)\b)"),
        fits=checks.identifier,
        alone=lambda v: max(checks.uuid(v), checks.oid(v)),
        surely=0.9,
    ),
)
