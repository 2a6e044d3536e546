"""The rows of personal data: contact, accounts, papers, births. See `rag.safety.rows` for a row."""

from __future__ import annotations

from rag.safety import checks
from rag.safety.addresses import ADDRESSES
from rag.safety.credentials import CREDENTIALS
from rag.safety.national import NATIONAL
from rag.safety.rows import row

_N = r"(?<![\w.,/=-])"
_E = r"(?![\w-]|[.,]\d)"

_CONTACT = (
    row(
        "EMAIL_ADDRESS",
        r"[\w.+%'’-]{0,63}\w@(?:\w(?:[\w-]{0,61}\w)?\.)+[^\W\d_]{2,24}(?![\w-])",
        0.95,
        checks.email,
        needs="at",
    ),
    row(
        "EMAIL_ADDRESS",
        r"(?i)\b[\w.+-]{1,64}\s*[\[({]\s*at\s*[\])}]\s*[\w-]+(?:\s*(?:\.|[\[({]\s*dot\s*[\])}])"
        r"\s*[\w-]+){1,4}",
        0.8,
        needs="at",
    ),
    row(
        "EMAIL_ADDRESS",
        r"(?i)\b[\w.+-]{2,64} at [\w-]{2,60} dot (?:com|org|net|edu|io|de)\b",
        0.6,
        needs="at",
    ),
    row(
        "IP_ADDRESS",
        r"(?<![\w.:/-])(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(?:25[0-5]|2[0-4]\d|1?\d?\d)"
        r"(?:/\d{1,2})?(?![\w-]|\.\d)",
        0.75,
        checks.plain_host,
    ),
    row(
        "IP_ADDRESS",
        r"(?<![\w.:/-])(?:\d{1,3}\.){3}\d{1,3}(?![\w-]|\.\d)",
        0.75,
        checks.address_of_host,
        r"ips?|ipv4|address|host|hosts|server|client|ping|gateway|login|logged",
    ),
    row(
        "IP_ADDRESS",
        r"(?<=://)(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(?:25[0-5]|2[0-4]\d|1?\d?\d)(?![\w.])",
        0.75,
        checks.address_of_host,
    ),
    row(
        "IP_ADDRESS",
        r"(?<![\w:.])(?=[0-9A-Fa-f:]*\d)[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,7}(?:%\w+)?"
        r"(?:/\d{1,3})?(?![\w:])",
        0.75,
        checks.address_of_host,
    ),
    row(
        "MAC_ADDRESS",
        r"(?<![\w:-])(?:[0-9A-Fa-f]{2}(?P<s>[:-]))(?:[0-9A-Fa-f]{2}(?P=s)){4}[0-9A-Fa-f]{2}(?![\w:-])"
        r"|(?<![\w.])(?:[0-9A-Fa-f]{4}\.){2}[0-9A-Fa-f]{4}(?![\w.])",
        0.8,
        checks.mac,
    ),
)

_ACCOUNT = (
    row("CREDIT_CARD", r"(?<![\w.-])\d(?:[ -]?\d){12,18}(?![\w-]|\.\d)", 0.9, checks.card),
    row(
        "CREDIT_CARD",
        r"(?<![\w.-])\d(?:[ -]?\d){11,18}(?![\w-]|\.\d)",
        0.8,
        lambda text: len(set(checks.digits_of(text))) > 1,
        r"(?:credit|debit|bank)[ -]?card|card(?: number| no)?|visa|mastercard|amex|cvv|cc",
        needs="digits",
    ),
    row(
        "IBAN_CODE",
        r"(?<![\w-])[A-Za-z]{2}\d{2}(?:[ -]?[A-Za-z0-9]){11,30}(?![\w-])",
        0.95,
        checks.iban,
    ),
    row(
        "BANK_ACCOUNT",
        _N + r"\d(?:[ -]?\d){5,16}" + _E,
        0.7,
        None,
        r"(?:account|acct|a/c)(?: number| num| no\.?| #)?|routing(?: number| no)?|sort code",
        needs="digits",
    ),
)

_ID = r"(?=[A-Z0-9-]*\d)[A-Z0-9](?:-?[A-Z0-9]){4,17}"
_IDENTITY = (
    row("US_SSN", r"(?<![\w.-])\d{3}-\d{2}-\d{4}(?![\w-]|\.\d)", 0.85, checks.ssn),
    row(
        "US_SSN",
        r"(?<![\w.-])\d{3}[ .]?\d{2}[ .]?\d{4}(?![\w-]|\.\d)",
        0.8,
        checks.ssn,
        r"ssns?|social security(?: number)?|social|itin|taxpayer",
        needs="digits",
    ),
    row("NATIONAL_ID", _N + r"\d{3}\.\d{3}\.\d{3}-\d{2}" + _E, 0.9, checks.cpf),
    row("NATIONAL_ID", _N + r"[1-9]\d{5}(?:19|20)\d{9}[\dXx]" + _E, 0.85, checks.china_id),
    row(
        "NATIONAL_ID",
        _N + r"[12] ?\d{2} ?(?:0[1-9]|1[0-2]|[2-9]\d) ?(?:\d{2}|2[AB]) ?\d{3} ?\d{3} ?\d{2}" + _E,
        0.85,
        checks.france_nir,
    ),
    row(
        "NATIONAL_ID",
        r"\b(?!BG|GB|NK|KN|TN|NT|ZZ)[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z]"
        r"(?P<s>[ -]?)\d{2}(?P=s)\d{2}(?P=s)\d{2}(?P=s)[A-D]\b",
        0.75,
    ),
    row("NATIONAL_ID", r"\b[A-Z]{6}\d{2}[A-EHLMPRST]\d{2}[A-Z]\d{3}[A-Z]\b", 0.85),
    row("NATIONAL_ID", r"\b[A-Z]{3}[ABCFGHLJPT][A-Z]\d{4}[A-Z]\b", 0.7),
    row(
        "NATIONAL_ID",
        _N + r"(?P<v>[A-Z]{0,2}\d(?:[ -]?[A-Z0-9]){6,14})" + _E,
        0.7,
        checks.identifier,
        r"aadhaa?r|pesel|nif|dni|nie|personnummer|cpf|national (?:id|identity|insurance)[\w ]{0,12}"
        r"|identity (?:card|number)|id card|steuer-?id\w*|tax(?:payer)? id\w*|sin|social insurance"
        r"(?: number)?|tfn|bsn|nino|insee|curp|id number|id no",
    ),
    row("HEALTH_ID", _N + r"\d{3}[ -]?\d{3}[ -]?\d{4}" + _E, 0.85, checks.nhs, r"nhs(?: number)?"),
    row(
        "HEALTH_ID",
        rf"(?<![\w-]){_ID}" + _E,
        0.7,
        checks.identifier,
        r"mrn|medical record(?: number| no)?|patient (?:id|number)|medicare(?: number)?"
        r"|insurance (?:member|policy) (?:id|number)|member id",
    ),
    row(
        "PASSPORT",
        r"(?<![\w-])(?=[A-Z0-9]*\d{4})[A-Z0-9]{6,10}(?![\w-])",
        0.8,
        checks.identifier,
        r"passports?(?: number| no| #)?",
    ),
    row(
        "DRIVER_LICENSE",
        rf"(?<![\w-]){_ID}" + _E,
        0.75,
        checks.identifier,
        r"driv(?:er|ing)(?:[’']?s)?[ -]?licen[cs]e(?: number| no| #)?|dl(?: number| no| #)",
    ),
    row(
        "DRIVER_LICENSE",
        r"\b[A-Z9]{5}\d[0156]\d[0-3]\d{2}[A-Z9]{2}\d[A-Z]{2}\b",
        0.8,
    ),
    row("TAX_ID", _N + r"\d{2}-\d{7}" + _E, 0.75, None, r"ein|employer identification|tax id\w*"),
)

_MONTH = r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Sept|Oct|Nov|Dec)[a-z]*\.?"
_DATE = (
    rf"(?:\d{{1,4}}[-/. ]\d{{1,2}}[-/. ]\d{{2,4}}|{_MONTH} \d{{1,2}}(?:st|nd|rd|th)?,? \d{{2,4}}"
    rf"|\d{{1,2}}(?:st|nd|rd|th)?(?: of)? {_MONTH},? \d{{2,4}})"
)
_BIRTH = (
    row(
        "DATE_OF_BIRTH",
        r"(?i)(?:\bd\.?o\.?b\b\.?|\bdate of birth\b|\bbirth ?date\b|\bbirthday\b|\bgeburtsdatum\b)"
        rf"[\"'*_]{{0,3}}(?:\s*(?:is|was|[:=|(-]|on))*[\s\"'*_]*(?P<v>{_DATE})",
        0.9,
    ),
)

_WEB = (
    row("URL", r"(?:https?://|www\.)[^\s<>\"')\]]{3,500}", 0.6, needs=""),
    row(
        "URL",
        r"(?i)(?<![\w@./-])(?:[a-z0-9-]{2,63}\.){1,4}(?:com|org|net|info|edu|gov)(?![\w-]|\.\w)",
        0.5,
        needs="",
    ),
    row(
        "AGE",
        r"(?i)\b\d{1,3}[- ]years?[- ](?:old|of age)\b|\b\d{1,2} ?(?:y/o|yo)\b"
        r"|\baged?:? \d{1,3}\b",
        0.5,
    ),
    row(
        "AGE",
        r"(?i)\b(?:I[’']?m|I am|just turned|turn(?:s|ed|ing)) (?P<v>\d{1,2})(?=[.!?]|,|$|\s*\n"
        r"| (?:and|but|on|in|last|this|today|now|years?)\b)",
        0.5,
    ),
)

ROWS = (*_CONTACT, *_ACCOUNT, *_IDENTITY, *_BIRTH, *_WEB)
ALL_ROWS = (*ROWS, *NATIONAL, *CREDENTIALS, *ADDRESSES)
