"""Street addresses: house number and street name in the orders and words of several countries."""

from __future__ import annotations

from rag.safety import checks
from rag.safety.rows import Row, row

_WORD = (
    r"(?:[^\W\d_a-z][\w'’.-]{0,24}|\d{1,3}(?:st|nd|rd|th)|de|la|del|di|da|van|von|der|des|du|le)"
)
_UNIT = r"(?:[,\s]{1,3}(?:Apt|Apartment|Suite|Ste|Unit|Flat|Floor|Fl|Room|Rm|#)\.? ?#?\w{1,6}\b)?"
_TOWN = r"(?:[,\s]{1,4}[^\W\d_a-z][\w'’.-]{1,24}(?:[ -][^\W\d_a-z][\w'’.-]{1,24}){0,3})"
_CODE = (
    r"(?:[,\s]{1,4}(?:[A-Z]{2,3}|[A-Z][a-z]{3,14}(?: [A-Z][a-z]{3,14})?)\.?)?[,\s]{1,4}"
    r"(?:\d{5}(?:-\d{4})?|\d{4,6}|[A-Z]{1,2}\d[A-Z\d]? ?\d[A-Z]{2}|[A-Z]\d[A-Z] ?\d[A-Z]\d)\b"
)
_TAIL = rf"(?:{_TOWN}{{0,2}}{_CODE}|[,\s]{{1,4}}[A-Z]{{1,2}}\d[A-Z\d]? ?\d[A-Z]{{2}}\b)?"
_SURE = (
    r"(?:Street|St\.?|Avenue|Ave\.?|Road|Rd\.?|Boulevard|Blvd\.?|Highway|Hwy\.?|Parkway|Pkwy\.?"
    r"|Terrace|Crescent|Close|Mews|Alley|Turnpike|Freeway)"
)
_LIKELY = (
    r"(?:Drive|Dr\.?|Lane|Ln\.?|Court|Ct\.?|Place|Pl\.?|Way|Square|Sq\.?|Circle|Cir\.?|Trail|Trl\.?"
    r"|Loop|Row|Walk|Gardens|Grove|Hill|Park|Plaza|Run|Ridge|Cove|Pike|Path|Bend)"
)
_HOUSE = r"(?<![\w.,:/$€£#-])\d{1,5}[A-Za-z]?(?:[-/]\d{1,4}[A-Za-z]?)?"
_GERMANIC = (
    r"[^\W\d_a-z][^\W\d_]{2,24}(?:stra(?:ß|ss)e|str\.|gasse|weg|platz|allee|ufer|damm|laan|straat|"
    r"gracht|plein|gatan|vägen|gata|gade|vej|veien|katu|tie|polku|utca)"
)
_ROMANCE = (
    r"(?:[Rr]ue|[Aa]venue|[Bb]oulevard|[Pp]lace|[Cc]hemin|[Ii]mpasse|[Vv]ia|[Vv]iale|[Pp]iazza|"
    r"[Cc]orso|[Cc]alle|[Aa]venida|[Pp]aseo|[Pp]laza|[Rr]ua|[Tt]ravessa|[Uu]l\.|[Uu]lica|[Aa]l\.)"
)

_UK_CODE = r"[A-Z]{1,2}\d[A-Z\d]? ?\d[A-Z]{2}\b"

ADDRESSES: tuple[Row, ...] = (
    # Any street name will do between a house number and a whole postcode.
    row(
        "STREET_ADDRESS",
        rf"{_HOUSE},? (?:{_WORD} ){{0,3}}{_WORD}(?:,{_TOWN}){{0,2}}[,\s]{{1,4}}{_UK_CODE}",
        0.75,
    ),
    row("STREET_ADDRESS", rf"{_HOUSE},? (?:{_WORD} ){{1,4}}{_SURE}(?!\w)\.?{_UNIT}{_TAIL}", 0.75),
    row(
        "STREET_ADDRESS",
        rf"{_HOUSE} (?:{_WORD} ){{1,4}}{_LIKELY}(?!\w)\.?{_UNIT}{_TAIL}",
        0.75,
        checks.house_number,
        r"address\w*|liv(?:e|es|ed|ing)|resid\w*|ship\w*|deliver\w*|mail\w*|visit\w*|located|office"
        r"|house|home|moved|apt|suite",
        0.55,
    ),
    row(
        "STREET_ADDRESS", rf"(?:{_HOUSE},? )?{_GERMANIC} \d{{1,4}} ?[a-zA-Z]?\b{_UNIT}{_TAIL}", 0.75
    ),
    row(
        "STREET_ADDRESS", rf"{_HOUSE},? (?:bis |ter )?{_ROMANCE} (?:{_WORD} ?){{1,5}}{_TAIL}", 0.65
    ),
    row(
        "STREET_ADDRESS",
        rf"\b{_ROMANCE} (?:{_WORD} ){{0,4}}{_WORD},? (?:n[.º°] ?)?\d{{1,4}}\b{_TAIL}",
        0.65,
    ),
    row(
        "STREET_ADDRESS",
        rf"(?m)(?:^|(?<=[:,] ))[ \t>?]{{0,8}}(?P<v>\d{{1,5}} (?:{_WORD} ){{1,4}}\d{{1,4}}[a-z]?\.?"
        rf"\s{{0,3}}(?:[>?]{{1,3}} )?(?:Apt|Suite)\.? \d{{1,5}}{_TAIL})",
        0.7,
    ),
    row(
        "STREET_ADDRESS",
        r"(?:(?:^|[\n,>] ?)[ ?>]{0,4}|\d )"
        rf"(?P<v>(?:Apt|Suite|Ste|apt|suite)\.? #?\d{{1,5}}\b{_TAIL})",
        0.6,
    ),
    row(
        "STREET_ADDRESS",
        rf"(?i:\baddress(?: is| was|:| to)[:\s]{{1,3}})(?P<v>\d{{1,5}},? (?:{_WORD} ){{1,5}}{_WORD}"
        rf"(?:,? \d{{1,5}})?{_UNIT}{_TAIL})",
        0.7,
    ),
    row("STREET_ADDRESS", r"(?i)\bP\.? ?O\.? ?Box \d{1,6}\b" + r"(?-i:" + _TAIL + ")", 0.7),
    row(
        "STREET_ADDRESS",
        r"\b[A-Z]{1,2}\d[A-Z\d]? \d[A-Z]{2}\b",
        0.65,
        None,
        r"address|post ?code|live[sd]?|resid\w*|street|road|london",
    ),
)
