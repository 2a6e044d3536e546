"""Rows of credentials: known shapes of keys and tokens, and secrets told by the words before."""

from __future__ import annotations

from rag.safety import checks
from rag.safety.rows import row

CREDENTIALS = (
    row(
        "API_KEY",
        r"(?<![\w-])(?:(?:AKIA|ASIA|AGPA|AIDA|AROA)[A-Z0-9]{16}|gh[pousr]_\w{30,255}"
        r"|github_pat_\w{22,255}|xox[abeoprs]-[\w-]{10,250}|[sprw]k_(?:live|test)_\w{10,200}"
        r"|AIza[\w-]{30,40}|sk-(?:[a-z]+-)*[\w-]{20,200}|glpat-[\w-]{16,64}|hf_[A-Za-z0-9]{30,64}"
        r"|npm_[A-Za-z0-9]{30,64}|SG\.[\w-]{16,32}\.[\w-]{32,64}|pypi-[\w-]{40,250}"
        r"|ya29\.[\w-]{20,250}|dop_v1_[a-f0-9]{60,70}|xapp-\d-[\w-]{20,200}|whsec_\w{20,100}"
        r"|GOCSPX-[\w-]{20,40}|shp(?:at|ca|pa|ss)_[a-fA-F0-9]{32}|hv[sb]\.[\w-]{20,200}"
        r"|dckr_pat_[\w-]{20,60}|dapi[a-f0-9]{32}|sq0[a-z]{3}-[\w-]{20,50}|lin_api_\w{30,60}"
        r"|figd_[\w-]{30,60}|rubygems_[a-f0-9]{48}|sntr[yu]s_[\w=+/-]{30,250}|phc_\w{30,60}"
        r"|AGE-SECRET-KEY-1[A-Z0-9]{50,64})",
        0.95,
        needs="",
    ),
    # JSON web tokens, chat hooks, Telegram's bots.
    row("API_KEY", r"\beyJ[\w-]{8,500}\.[\w-]{8,4000}\.[\w-]{6,700}", 0.95, needs=""),
    row("API_KEY", r"https://hooks\.slack\.com/\S{20,200}", 0.9, needs=""),
    row("API_KEY", r"https://discord(?:app)?\.com/api/webhooks/\d{5,20}/[\w-]{20,100}", 0.9),
    row("API_KEY", r"(?<!\w)\d{8,10}:AA[\w-]{30,40}(?![\w-])", 0.9),
    # A signed or keyed link lets in whoever holds it.
    row(
        "SECRET",
        r"(?i)[?&;](?:[\w-]{0,20}(?:token|secret|signature|passw(?:or)?d)|(?:api[_-]?)?key|sig|auth)"
        r"=(?P<v>[\w%+/=.~-]{12,512})",
        0.85,
        checks.link_secret,
        needs="",
    ),
    row(
        "PRIVATE_KEY",
        r"-----BEGIN (?:[A-Z ]{0,30})PRIVATE KEY(?: BLOCK)?-----[\s\S]{0,8000}?"
        r"(?:-----END [A-Z ]{0,30}PRIVATE KEY(?: BLOCK)?-----|$)",
        0.99,
        needs="dashes",
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
        needs="dashes",
    ),
    row(
        "SECRET",
        r"(?i)(?:api|access|auth|client|secret|private|encryption|signing|bearer|session|refresh)"
        r"?[ _-]?(?:key|token|secret|bearer)s?(?:[ _-]?id)?[\"'`*]{0,3}\s{0,3}"
        r"(?:[:=]+>?|\bis\b)\s{0,3}"
        r"[\"'`]?(?P<v>[\w+/=.~-]{16,512})",
        0.8,
        checks.secret,
        needs="secret",
    ),
    row(
        "PASSWORD",
        r"(?i)\b(?:password|passwort|passwd|passphrase|pwd|passcode|pass)\b[\"'`*]{0,3}\s{0,3}"
        r"(?:[:=]+|is(?: now| set to| called)?:?)\s{0,3}[\"'`]?(?P<v>[^\s\"'`,;]{4,64}?)"
        r"(?=[\"'`,;]|[.?)]*(?:\s|$))",
        0.8,
        checks.password,
        needs="secret",
    ),
    row("SECRET", r"(?i)\bbearer (?P<v>[\w+/=.~-]{16,512})", 0.8, checks.secret, needs="secret"),
    row(
        "PASSWORD",
        r"(?i)\bpin(?: code| number)?\b\s{0,2}(?:is|[:=])\s{0,2}(?P<v>\d{4,8})(?!\w)",
        0.8,
    ),
    row(
        "PASSWORD", r"(?<=://)[^\s/:@<>{}$]{1,64}:(?P<v>[^\s/@<>{}$]{3,64})(?=@)", 0.85, needs="at"
    ),
)
