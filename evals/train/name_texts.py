"""Texts with marked names to train the tagger on: written ones, and plain prose.

Written: the lines of `names.templates.txt` with names of forty countries from Faker (MIT), and
invented companies. Plain prose is marked by the model that the tagger starts from, so that it does
not forget what it knew. No text of the sets that names are measured on is among them.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from evals.train.fit import read_cases
from rag.safety.lean import spacy
from rag.safety.names.kinds import label_of
from rag.safety.names.types import (
    ADDRESS,
    AGE,
    DATE,
    LOCATION,
    NRP,
    ORGANIZATION,
    PERSON,
    TITLE,
)

Span = tuple[int, int, str]
Value = tuple[str, str]


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


TEMPLATES = Path(__file__).with_name("names.templates.txt")
LOCALES = _words("""
en_US en_US en_US en_GB en_GB en_IE en_IN en_NZ en_AU en_CA de_DE de_AT de_CH fr_FR fr_FR es_ES
es_MX it_IT nl_NL nl_BE pl_PL cs_CZ sk_SK hu_HU sv_SE no_NO da_DK fi_FI pt_PT pt_BR sl_SI hr_HR
ro_RO tr_TR et_EE lt_LT lv_LV vi_VN id_ID fil_PH zu_ZA yo_NG ga_IE
""")
PROSE = (
    ("squad", 1200),
    ("squad-distractors", 2800),
    ("python-devguide", 500),
    ("prometheus-docs", 400),
    ("kubernetes-docs", 400),
)
"""Corpora and folders of documents, and how many paragraphs of each; of every other document."""

LOWERED, SHOUTED = 0.15, 0.07
_HONORIFICS = ("Mr.", "Mrs.", "Ms.", "Dr.", "Prof.", "Mr", "Mrs", "Ms", "Dr", "Miss", "Sir", "Herr")
_NATIONS = _words("""
American British German French Italian Spanish Dutch Belgian Swiss Austrian Polish Czech Slovak
Hungarian Swedish Norwegian Danish Finnish Icelandic Portuguese Brazilian Slovenian Croatian
Romanian Turkish Greek Russian Ukrainian Indian Chinese Japanese Korean Vietnamese Thai Mexican
Canadian Australian Irish Scottish Welsh Nigerian Kenyan Ghanaian Egyptian Moroccan Israeli
Jewish Muslim Christian Catholic Hindu Buddhist Cuban Chilean Peruvian Jamaican Estonian Latvian
Lithuanian Bulgarian Serbian Albanian Maltese Cypriot Lebanese Syrian Iraqi Iranian Afghan
Pakistani Bangladeshi Nepali Indonesian Malaysian Filipino
""")
_TONGUES = _words("""
English German French Italian Spanish Dutch Polish Czech Hungarian Swedish Danish Finnish
Portuguese Greek Russian Ukrainian Hindi Urdu Mandarin Cantonese Japanese Korean Arabic Hebrew
Turkish Swahili Yoruba Zulu Tamil Bengali Vietnamese Thai Icelandic
""")
_STEMS = _words("""
data cloud health bright open code sun blue river stone green north path link share deep clear
quick next smart true pixel market trade loan farm food city map wind solar grid lab bio gene
med care learn school book team task work job hire home rent ride trip air sky star moon fire
core node byte logic info tele net web mail chat voice sound video game play sport fit track
scan secure safe trust legal tax pay bank fund asset credit coin cash value price deal shop
""")
_ENDS = _words("""
ly ify er ia io is on ware soft tech works base hub lab labs point line wire stream flow gen
nova tron tix sy us ado era ora let ex ix axis wise mind metrics graph cast scape craft
""")
_KINDS = _words("""
Technologies Technology Systems Solutions Group Partners Capital Media Networks Analytics Health
Energy Labs Studios Consulting Software Services Holdings Insurance Foods Pharma Robotics
Logistics Bank Airlines Motors Institute Research Ventures International Global University
College Hospital Society Association Foundation Council Agency App
""")
_FORMS = ("Inc.", "Inc", "LLC", "Ltd", "Ltd.", "Corp.", "Corporation", "GmbH", "AG", "S.A.", "plc")
_UNITS = ("Apt. {}", "Suite {}", "Unit {}", "Apt {}", "Flat {}", "# {}", "Floor {}")
_DATES = ("%d/%m/%Y", "%m/%d/%Y", "%Y-%m-%d", "%B %d, %Y", "%d %B %Y", "%d.%m.%Y", "%b %d")
_SLOT = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, slots=True)
class Marked:
    """A text with its names."""

    text: str
    spans: tuple[Span, ...]


class Writer:
    """Fills templates. The same seed gives the same texts."""

    def __init__(self, seed: int) -> None:
        faker: Any = import_module("faker")
        self._random = random.Random(seed)
        faker.Faker.seed(seed)
        self._fakes: list[Any] = [faker.Faker(locale) for locale in LOCALES]
        self._english: Any = faker.Faker("en_US")
        lines = TEMPLATES.read_text(encoding="utf-8").splitlines()
        self._templates = [line.replace("\\n", "\n") for line in lines]
        self._slots: Mapping[str, Callable[[Any], Value]] = {
            "first": lambda fake: (fake.first_name(), PERSON),
            "last": lambda fake: (fake.last_name(), PERSON),
            "person": self._person,
            "city": lambda fake: (fake.city(), LOCATION),
            "country": lambda _: (self._english.country(), LOCATION),
            "nat": lambda _: (self._random.choice(_NATIONS), NRP),
            "lang": lambda _: (self._random.choice(_TONGUES), NRP),
            "title": lambda _: (self._random.choice(_HONORIFICS), TITLE),
            "job": self._job,
            "age": lambda _: (str(self._random.randrange(2, 99)), AGE),
            "year": lambda _: (str(self._random.randrange(1900, 2026)), DATE),
            "date": self._date,
            "street": self._street,
            "unit": lambda _: (self._unit(), ADDRESS),
            "address": self._address,
            "org": self._org,
        }

    def write(self, count: int) -> Iterator[Marked]:
        """`count` texts; some in lower case, some with names in capitals, as people type."""
        for n in range(count):
            yield self._fill(self._templates[n % len(self._templates)])

    def _fill(self, template: str) -> Marked:
        fake, case = self._random.choice(self._fakes), self._random.random()
        text, spans, last = "", [], 0
        for slot in _SLOT.finditer(template):
            text += template[last : slot.start()]
            value, label = self._value(slot[1], fake)
            value = value.upper() if label and case > 1 - SHOUTED else value
            if label:
                spans.append((len(text), len(text) + len(value), label))
            text, last = text + value, slot.end()
        whole = Marked(text + template[last:], tuple(spans))
        return _lowered(whole) if case < LOWERED else whole

    def _value(self, slot: str, fake: Any) -> Value:
        made = self._slots.get(slot)
        return made(fake) if made is not None else (self._number(slot), "")

    def _number(self, slot: str) -> str:
        digits = self._random.randrange
        shapes = {
            "phone": f"{digits(200, 999)}-{digits(200, 999)}-{digits(1000, 9999)}",
            "card": f"{digits(4 * 10**15, 5 * 10**15)}",
            "zip": f"{digits(1000, 99999)}",
            "num": f"{digits(1, 10 ** digits(1, 8))}",
            "amount": f"${digits(1, 9999)}",
            "email": f"{self._english.user_name()}@{self._english.domain_name()}",
            "time": f"{digits(1, 12)}:{digits(10, 59)} pm",
        }
        return shapes[slot]

    def _person(self, fake: Any) -> Value:
        dot = self._random.choice(["", "."])
        middle = f" {self._random.choice('ABCDEFGHIJKLMNOPRSTVW')}{dot}"
        between = middle if self._random.random() < 0.15 else ""
        return f"{fake.first_name()}{between} {fake.last_name()}", PERSON

    def _job(self, _: Any) -> Value:
        job = str(self._english.job())
        return job if self._random.random() < 0.6 else job.lower(), TITLE

    def _date(self, _: Any) -> Value:
        return self._english.date_object().strftime(self._random.choice(_DATES)), DATE

    def _street(self, fake: Any) -> Value:
        street = fake.street_address().replace("\n", " ")
        before = f"{self._random.randrange(1, 999)} " if self._random.random() < 0.2 else ""
        return f"{before}{street}", ADDRESS

    def _unit(self) -> str:
        return self._random.choice(_UNITS).format(self._random.randrange(1, 999))

    def _address(self, fake: Any) -> Value:
        parts = [self._street(fake)[0], *([self._unit()] if self._random.random() < 0.5 else [])]
        place = f"{self._english.country()} {self._random.randrange(1000, 99999)}"
        parts = [*parts, fake.city(), place][: self._random.randrange(2, 5)]
        return self._random.choice((", ", "\n", " ", "\n")).join(parts), ADDRESS

    def _org(self, fake: Any) -> Value:
        chance, pick = self._random.random(), self._random.choice
        if chance < 0.3:
            return fake.company(), ORGANIZATION
        stem = pick(_STEMS)
        name = (stem + pick(_ENDS if self._random.random() < 0.7 else _STEMS)).capitalize()
        if self._random.random() < 0.2:
            name = stem.title() + pick(_STEMS).title()
        if chance > 0.9:
            name = f"{self._random.randrange(2, 99)}{name}"
        if chance > 0.6:
            name += f" {pick(_KINDS)}"
        if chance > 0.8:
            name += f" {pick(_FORMS)}"
        return name, ORGANIZATION


def prose(data: Path, folder: Path) -> Iterator[Marked]:
    """Paragraphs marked by the spaCy pipeline in `folder`."""
    ner = spacy.load(folder, exclude=["tagger", "parser", "attribute_ruler", "lemmatizer"])
    texts = [text for name, count in PROSE for text in paragraphs(data, name, count)]
    for doc in ner.pipe(texts, batch_size=64):
        spans = [(e.start_char, e.end_char, label_of(e.label_)) for e in doc.ents]
        yield Marked(doc.text, tuple(span for span in spans if span[2]))


def paragraphs(data: Path, name: str, count: int, rest: int = 0) -> list[str]:
    """Up to `count` paragraphs, evenly spread, of every other document (`rest` 1: of the others).

    `name` is a corpus or a folder of documents of the development data.
    """
    corpus = data / "corpora" / f"{name}.jsonl.gz"
    if corpus.exists():
        texts = [str(row["text"]) for row in read_cases(corpus)[rest::2]]
    else:
        found = sorted((data / "documents" / name).rglob("*"))
        pages = [path for path in found if path.suffix in (".md", ".rst")][rest::2]
        whole = [path.read_text(encoding="utf-8", errors="replace") for path in pages]
        texts = [part for text in whole for part in text.split("\n\n")]
    texts = [text for text in texts if 15 < len(text) < 3000]
    return texts[:: max(1, len(texts) // count)][:count]


def _lowered(marked: Marked) -> Marked:
    """The same in lower case, where that keeps every character's place."""
    text = marked.text.lower()
    return Marked(text, marked.spans) if len(text) == len(marked.text) else marked
