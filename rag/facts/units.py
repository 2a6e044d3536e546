"""What stands after a number: percent, money, units of measure. Pure."""

from __future__ import annotations

import re

from rag.words import STOP_WORDS

PERCENT = "percent"
SCALES = {
    "hundred": 100,
    "thousand": 1000,
    "k": 1000,
    "m": 10**6,
    "million": 10**6,
    "mn": 10**6,
    "mio": 10**6,
    "billion": 10**9,
    "bn": 10**9,
    "trillion": 10**12,
    "dozen": 12,
}
MONEY = {
    "$": "usd", "us$": "usd", "€": "eur", "£": "gbp", "¥": "jpy", "₹": "inr",
    "usd": "usd", "eur": "eur", "gbp": "gbp", "jpy": "jpy", "inr": "inr", "chf": "chf",
}  # fmt: skip
# Each line: a unit, then the ways in which it is written.
_WRITTEN = """
percent % percent percentage pct
permille ‰ permille
usd dollar dollars buck bucks usd
eur euro euros eur
gbp pound pounds sterling gbp quid
jpy yen jpy
inr rupee rupees inr
chf franc francs chf
cent cent cents
pence pence
km km kilometre kilometres kilometer kilometers kms
m metre metres meter meters
cm cm centimetre centimetres centimeter centimeters
mm mm millimetre millimetres millimeter millimeters
mile mile miles
yard yard yards yd yds
foot foot feet ft
inch inch inches
kg kg kilogram kilograms kilogramme kilogrammes kilo kilos kgs
g gram grams gramme grammes
mg mg milligram milligrams
µg µg mcg microgram micrograms
tonne tonne tonnes ton tons
lb pound pounds lb lbs
oz ounce ounces oz
l litre litres liter liters
ml ml millilitre millilitres milliliter milliliters
gallon gallon gallons
second second seconds sec secs
minute minute minutes min mins
ms ms millisecond milliseconds
hour hour hours hr hrs
day day days
week week weeks
month month months
quarter quarter quarters
year year years yr yrs
decade decade decades
century century centuries
degc ° degree degrees °c celsius centigrade degreecelsius degreescelsius
degf ° degree degrees °f fahrenheit degreefahrenheit degreesfahrenheit
deg ° degree degrees
byte byte bytes
kb kb kilobyte kilobytes
mb mb megabyte megabytes
gb gb gigabyte gigabytes
tb tb terabyte terabytes
w watt watts
kw kw kilowatt kilowatts
mw megawatt megawatts
kwh kwh
v volt volts
hz hz hertz
mhz mhz
ghz ghz
time time times
page page pages
hectare hectare hectares ha
acre acre acres
"""
# Letters that are words or scales too are units only as they are written here.
_LETTERS = {"m": "m", "s": "second", "h": "hour", "g": "g", "l": "l", "L": "l", "W": "w", "V": "v"}
_LETTERS |= {"MW": "mw", "C": "degc", "F": "degf"}
_AFTER = re.compile(
    r"[\s(-]{0,2}(°\s?[CFcf]?(?![a-z])|degrees? (?:[Cc]elsius|[Ff]ahrenheit)"
    r"|[%‰$€£¥₹]|per\s?cent\b|[A-Za-zµ]+)"
)
_LOOK = 3


def _table() -> dict[str, frozenset[str]]:
    table: dict[str, frozenset[str]] = {}
    for line in _WRITTEN.strip().splitlines():
        unit, *words = line.split()
        for word in words:
            table[word] = table.get(word, frozenset()) | {unit}
    return table


UNITS = _table()


def unit_of(word: str) -> frozenset[str]:
    """The units that a word may stand for; none for a word that is no unit."""
    if word in _LETTERS:
        return frozenset({_LETTERS[word]})
    plain = "".join(word.lower().split())
    if plain in MONEY:
        return frozenset({MONEY[plain]})
    return UNITS.get(plain, frozenset())


def units_after(text: str, end: int) -> tuple[frozenset[str], bool, int]:
    """What is counted from `end` on: its units, whether it is something else, where it ends.

    "25 working days" are days; "25 employees" are something else; "25." is a bare number.
    """
    position, other = end, False
    for _ in range(_LOOK):
        match = _AFTER.match(text, position)
        if match is None or match[1].lower() in STOP_WORDS:
            break
        if units := unit_of(match[1]):
            return units, False, match.end() if position == end else end
        position, other = match.end(), True
    return frozenset(), other, end
