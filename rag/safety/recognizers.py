"""The rows of personal data: label, pattern, score, check, context. One row, one shape.

A row with `context` counts fully only where its words stand shortly before or after the match
(`bare` is its score without them, 0 drops it): most numbers are nobody's. The group `v`, where a
pattern has one, is the span to report.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from rag.safety import checks

_BEFORE, _AFTER = 64, 24


@dataclass(frozen=True, slots=True)
class Row:
    """One shape of one kind of personal data."""

    label: str
    pattern: re.Pattern[str]
    score: float
    check: Callable[[str], bool] | None = None
    context: re.Pattern[str] | None = None
    bare: float = 0.0

    def find(self, text: str) -> Iterator[tuple[int, int, float]]:
        """(start, end, score) of every match that its check and context support."""
        group = "v" if "v" in self.pattern.groupindex else 0
        for match in self.pattern.finditer(text):
            start, end = match.span(group)
            if self.check is not None and not self.check(match[group]):
                continue
            score = self.score if self._supported(text, start, end) else self.bare
            if score > 0:
                yield start, end, score

    def _supported(self, text: str, start: int, end: int) -> bool:
        if self.context is None:
            return True
        around = text[max(0, start - _BEFORE) : start] + " \x00 " + text[end : end + _AFTER]
        return self.context.search(around) is not None


def row(
    label: str,
    pattern: str,
    score: float,
    check: Callable[[str], bool] | None = None,
    context: str = "",
    bare: float = 0.0,
) -> Row:
    """A row from plain strings; the context is a pattern of whole words, any case."""
    words = re.compile(rf"(?i)(?<![A-Za-z])(?:{context})(?![A-Za-z])") if context else None
    return Row(label, re.compile(pattern), score, check, words, bare)


_N = r"(?<![\w.,/=-])"
_E = r"(?![\w-]|[.,]\d)"

_CONTACT = (
    row(
        "EMAIL_ADDRESS",
        r"[\w.+%'’-]{0,63}\w@(?:\w(?:[\w-]{0,61}\w)?\.)+[^\W\d_]{2,24}(?![\w-])",
        0.95,
        checks.email,
    ),
    row(
        "EMAIL_ADDRESS",
        r"(?i)\b[\w.+-]{1,64}\s*[\[({]\s*at\s*[\])}]\s*[\w-]+(?:\s*(?:\.|[\[({]\s*dot\s*[\])}])"
        r"\s*[\w-]+){1,4}",
        0.8,
    ),
    row(
        "EMAIL_ADDRESS", r"(?i)\b[\w.+-]{2,64} at [\w-]{2,60} dot (?:com|org|net|edu|io|de)\b", 0.6
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

_KEYS = (
    row(
        "API_KEY",
        r"(?<![\w-])(?:(?:AKIA|ASIA|AGPA|AIDA|AROA)[A-Z0-9]{16}|gh[pousr]_\w{30,255}"
        r"|github_pat_\w{22,255}|xox[abeoprs]-[\w-]{10,250}|[sprw]k_(?:live|test)_\w{10,200}"
        r"|AIza[\w-]{30,40}|sk-(?:[a-z]+-)*[\w-]{20,200}|glpat-[\w-]{16,64}|hf_[A-Za-z0-9]{30,64}"
        r"|npm_[A-Za-z0-9]{30,64}|SG\.[\w-]{16,32}\.[\w-]{32,64}|pypi-[\w-]{40,250}"
        r"|ya29\.[\w-]{20,250}|dop_v1_[a-f0-9]{60,70})",
        0.95,
    ),
    row("API_KEY", r"\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]{6,}", 0.95),
    row("API_KEY", r"https://hooks\.slack\.com/\S{20,}", 0.9),
    row(
        "PRIVATE_KEY",
        r"-----BEGIN (?:[A-Z ]{0,30})PRIVATE KEY(?: BLOCK)?-----[\s\S]{0,8000}?"
        r"(?:-----END [A-Z ]{0,30}PRIVATE KEY(?: BLOCK)?-----|$)",
        0.99,
    ),
    row(
        "PRIVATE_KEY",
        r"(?m)^[ \t>]{0,8}(?P<v>[A-Za-z0-9+/]{56,80}={0,2}(?:\r?\n[A-Za-z0-9+/]{4,80}={0,2})*)"
        r"[ \t]*\r?$",
        0.8,
        checks.base64_text,
    ),
    row(
        "PRIVATE_KEY",
        r"(?m)^(?P<v>[A-Za-z0-9+/=]{2,80}\r?\n-----END [A-Z ]{0,30}PRIVATE KEY-----)",
        0.9,
    ),
    row(
        "SECRET",
        r"(?i)(?:api|access|auth|client|secret|private|encryption|signing|bearer|session|refresh)"
        r"?[ _-]?(?:key|token|secret|bearer)s?(?:[ _-]?id)?[\"'`*]{0,3}\s{0,3}"
        r"(?:[:=]+>?|\bis\b)\s{0,3}"
        r"[\"'`]?(?P<v>[\w+/=.~-]{16,512})",
        0.8,
        checks.secret,
    ),
    row(
        "PASSWORD",
        r"(?i)\b(?:password|passwort|passwd|passphrase|pwd|passcode|pass)\b[\"'`*]{0,3}\s{0,3}"
        r"(?:[:=]+|is(?: now| set to| called)?:?)\s{0,3}[\"'`]?(?P<v>[^\s\"'`,;]{4,64}?)"
        r"(?=[\"'`,;]|[.?)]*(?:\s|$))",
        0.8,
        checks.password,
    ),
    row("SECRET", r"(?i)\bbearer (?P<v>[\w+/=.~-]{16,512})", 0.8, checks.secret),
    row(
        "PASSWORD",
        r"(?i)\bpin(?: code| number)?\b\s{0,2}(?:is|[:=])\s{0,2}(?P<v>\d{4,8})(?!\w)",
        0.8,
    ),
    row("PASSWORD", r"(?<=://)[^\s/:@<>{}$]{1,64}:(?P<v>[^\s/@<>{}$]{3,64})(?=@)", 0.85),
)

_WEB = (
    row("URL", r"(?:https?://|www\.)[^\s<>\"')\]]{3,500}", 0.6),
    row(
        "URL",
        r"(?i)(?<![\w@./-])(?:[a-z0-9-]{2,63}\.){1,4}(?:com|org|net|info|edu|gov)(?![\w-]|\.\w)",
        0.5,
    ),
    row("AGE", r"(?i)\b\d{1,3}[- ]years?[- ](?:old|of age)\b|\bage[d]? \d{1,3}\b", 0.5),
)

ROWS: tuple[Row, ...] = _CONTACT + _ACCOUNT + _IDENTITY + _BIRTH + _KEYS + _WEB
