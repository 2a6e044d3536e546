"""What stands in no source is flagged, every time; the same fact in another form is not."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.facts.unfounded import Known, unfounded

# A source, what says the same in other forms, and what says something else (with what is flagged).
NUMBERS: list[tuple[str, list[str], list[tuple[str, str]]]] = [
    ("Leave is 25 working days a year.",
     ["25 days", "twenty-five days", "twenty five days", "Twenty-five working days a year.",
      "It is 25.", "25 days a year", "one year"],
     [("26 days", "26 days"), ("twenty-six days", "twenty-six days"), ("25 hours", "25 hours"),
      ("25%", "25%"), ("250 days", "250 days"), ("$25", "$25"), ("2.5 days", "2.5 days"),
      ("52 days", "52 days"), ("25 km", "25 km"), ("two years", "two years")]),
    ("The budget is 1,234,567.50 euros.",
     ["1,234,567.5 euros", "1.234.567,50 €", "€1,234,567.50", "EUR 1234567.50", "1234567.5 EUR",
      "1'234'567.50 euros", "1\u00a0234\u00a0567.50 euros"],
     [("1,234,576.50 euros", "1,234,576.50 euros"), ("$1,234,567.50", "$1,234,567.50"),
      ("1,234,567 euros", "1,234,567 euros"), ("£1,234,567.50", "£1,234,567.50")]),
    ("It costs $2.5 million.",
     ["$2,500,000", "2.5 million dollars", "USD 2.5 million", "$2.5m",
      "two and a half million dollars",
      "US$2.5 million", "2.50 million dollars", "2,500,000 USD"],
     [("$2.5 billion", "$2.5 billion"), ("$25 million", "$25 million"),
      ("€2.5 million", "€2.5 million"),
      ("$2.5", "$2.5"), ("$3.5 million", "$3.5 million")]),
    ("Sales rose by 40 percent.",
     ["40%", "40 %", "40 per cent", "forty percent", "forty per cent", "40"],
     [("14%", "14%"), ("four percent", "four percent"), ("40 euros", "40 euros"), ("0.4%", "0.4%"),
      ("fourteen per cent", "fourteen per cent"), ("40 days", "40 days")]),
    ("The room is 3.5 metres wide and 12 m long.",
     ["3,5 m", "3.50 metres", "three and a half metres", "12 metres", "12m", "twelve meters"],
     [("3.6 metres", "3.6 metres"), ("12 km", "12 km"), ("12 feet", "12 feet"), ("35 m", "35 m"),
      ("12 cm", "12 cm")]),
    ("Half of the staff work from home.",
     ["50% of the staff", "1/2 of the staff", "half of them", "50 per cent", "½ of the staff"],
     [("a third of the staff", "a third"), ("two thirds of the staff", "two thirds"),
      ("60%", "60%"), ("three quarters of them", "three quarters"), ("2/3 of them", "2/3")]),
    ("A dozen eggs and two dozen cups were bought.",
     ["12 eggs", "twelve eggs", "24 cups", "twenty-four cups", "a dozen eggs"],
     [("half a dozen eggs", "half a dozen"), ("13 eggs", "13"), ("three dozen", "three dozen"),
      ("36 cups", "36")]),
    ("He came third in the 21st race.",
     ["3rd", "the third", "the twenty-first race", "21st"],
     [("the fourth", "fourth"), ("the twenty-second race", "twenty-second"), ("22nd", "22nd"),
      ("he was 5th", "5th"), ("the 23rd race", "23rd")]),
    ("See Chapter IV and Article 12 of the code.",
     ["Chapter 4", "Chapter IV", "Article XII", "Article 12", "the fourth chapter"],
     [("Chapter V", "V"), ("Chapter 5", "5"), ("Article XIII", "XIII"), ("Article 13", "13")]),
    ("Chapter 3 is due in 4 days.",
     ["Chapter III", "four days", "4 days"],
     [("Chapter IV", "IV"), ("Chapter 4", "4"), ("three days", "three days")]),
    ("Error E-42 is fixed in version 1.2.3 of Windows 11.",
     ["E-42", "e42", "error 42", "v1.2.3", "Windows 11", "Windows11"],
     [("E-43", "E-43"), ("E-24", "E-24"), ("1.2.4", "1.2.4"), ("v1.3", "v1.3"),
      ("Windows10", "Windows10")]),
    ("Take 5-7 tablets, or between 10 and 15 drops.",
     ["5 to 7 tablets", "five to seven tablets", "5–7", "10-15 drops", "between ten and fifteen"],
     [("6 to 7", "6"), ("5 to 8 tablets", "8"), ("10-16 drops", "16")]),
    ("It was −5 °C at night and 12 °C by day.",
     ["-5 °C", "minus 5 degrees", "−5°C", "12 degrees Celsius", "twelve degrees"],
     [("5 °C", "5 °C"), ("-12 °C", "-12 °C"), ("15 °C", "15 °C")]),
    ("The hall holds three hundred and forty-two people; 1,001 came.",
     ["342 people", "three hundred forty-two", "1001 people", "one thousand and one"],
     [("324 people", "324"), ("three hundred and forty-three", "three hundred and forty-three"),
      ("1,010 people", "1,010"), ("four hundred people", "four hundred")]),
    ("It weighs 2 kg and costs 30 pounds a month.",
     ["two kilograms", "2kg", "£30", "30 GBP", "one month", "2 kilos"],
     [("3 kg", "3 kg"), ("2 lb", "2 lb"), ("$30", "$30"), ("two months", "two months")]),
    ("It happened once, and a visit takes an hour.",
     ["one time", "one hour", "1 hour"],
     [("twice", "twice"), ("two hours", "two hours"), ("three times", "three times")]),
    ("One of them left; the deposit is 0.75 of a year's rent and ¾ is refunded.",
     ["0.75", "¾", "three quarters", "75%", "3/4"],
     [("0.57", "0.57"), ("¼", "¼"), ("a quarter", "a quarter")]),
    ("The 5G mast is 30 ft high and uses 4 kW.",
     ["5G", "30 feet", "thirty feet", "4kW", "4 kilowatts"],
     [("4G", "4G"), ("30 metres", "30 metres"), ("4 kWh", "4 kWh"), ("5 kW", "5 kW")]),
    ("Earth has 7.9 billion people and 195 countries.",
     ["7,900,000,000 people", "7.9bn", "195 countries", "one hundred and ninety-five"],
     [("7.9 million", "7.9 million"), ("8 billion", "8 billion"), ("159 countries", "159")]),
    ("Nobody came; the score was zero.",
     ["0 points", "zero"], [("one point to 2", "2"), ("10 points", "10")]),
]  # fmt: skip
DATES: list[tuple[str, list[str], list[tuple[str, str]]]] = [
    ("The fair opens on 3 May 2021.",
     ["May 3, 2021", "2021-05-03", "3rd May 2021", "May 3rd, 2021", "3/5/2021", "5/3/2021",
      "03.05.2021", "the 3rd of May 2021", "in May 2021", "in 2021", "on 3 May", "in May",
      "3 May '21", "3-May-2021", "2021/05/03"],
     [("4 May 2021", "4 May 2021"), ("3 June 2021", "3 June 2021"), ("3 May 2022", "3 May 2022"),
      ("2021-05-04", "2021-05-04"), ("May 2020", "May 2020"), ("in 2020", "2020"),
      ("in June", "June"), ("13/5/2021", "13/5/2021"),
      ("May 13, 2021", "May 13, 2021"), ("04.05.2021", "04.05.2021")]),
    ("It was filed on 2019-12-31.",
     ["31 December 2019", "December 31, 2019", "12/31/2019", "31/12/2019", "31.12.2019",
      "Dec 31, 2019", "31 Dec. 2019", "December 2019", "2019"],
     [("30 December 2019", "30 December 2019"), ("1 January 2020", "1 January 2020"),
      ("November 2019", "November 2019"), ("12/30/2019", "12/30/2019"), ("in 1999", "1999")]),
    ("It ran from 30 April to 2 May 1998.",
     ["30 April 1998", "2 May 1998", "April 1998", "30 April"],
     [("30 May 1998", "30 May 1998"), ("1 May 1998", "1 May 1998"), ("2 May 1999", "2 May 1999")]),
    ("Courses are held on 3–5 June 2024.",
     ["3 June 2024", "5 June 2024", "June 3-5, 2024", "3 to 5 June"],
     [("4 June 2024", "4 June 2024"), ("6 June 2024", "6 June 2024"), ("3 July", "3 July")]),
    ("The port was built in the 1990s, between 1990 and 1995.",
     ["the nineties", "the '90s", "1990s", "1990–95", "1995", "1990-1995"],
     [("the 1980s", "1980s"), ("the eighties", "eighties"), ("1996", "1996"), ("1990–96", "96"),
      ("the 2000s", "2000s")]),
    ("Meetings are on Mondays at 5 pm.",
     ["Monday", "17:00", "5:00 p.m.", "5pm", "5 o'clock", "on Mon at 5 PM",
      "five pm"],
     [("on Tuesday", "Tuesday"), ("6 pm", "6 pm"), ("17:30", "17:30"), ("5 am", "5 am"),
      ("on Fridays", "Fridays"), ("16:00", "16:00")]),
    ("The office opens at 08:30 and closes at noon.",
     ["8:30", "8.30 am", "8:30 a.m.", "12:00", "12 pm", "midday"],
     [("9:30", "9:30"), ("8:30 pm", "8:30 pm"), ("midnight", "midnight"), ("8:45", "8:45")]),
    ("Revenue of March 2020 was higher than in October 2019.",
     ["in March 2020", "in March", "Oct. 2019", "October 2019", "2020"],
     [("in April 2020", "April 2020"), ("October 2020", "October 2020"), ("May 2019", "May 2019"),
      ("in September", "September")]),
]  # fmt: skip
NAMES: list[tuple[str, list[str], list[tuple[str, str]]]] = [
    ("Fiona Maclure is the harbour master of Skarra.",
     ["Maclure lives there.", "Ms Maclure said so.", "F. Maclure said so.", "Dr. Maclure left.",
      "It is Maclure's boat.", "the Harbour Master", "Skarra's harbour", "It was FIONA MACLURE.",
      "The Maclures left.", "He met Fiona in Skarra."],
     [("Fiona Brown left.", "Fiona Brown"), ("He met Brown.", "Brown"),
      ("Maclaren left.", "Maclaren"),
      ("It is in Glasgow.", "Glasgow"), ("Anna Maclure left.", "Anna Maclure"),
      ("G. Maclure left.", "G. Maclure"), ("It is Brown's boat.", "Brown"),
      ("Glasgow is near.", "Glasgow"), ("The NHS said so.", "NHS")]),
    ("John Smith met Mary Brown in Paris.",
     ["Smith met Brown.", "Mary went to Paris.", "J. Smith and M. Brown"],
     [("John Brown left.", "John Brown"), ("Mary Smith left.", "Mary Smith"),
      ("In London, he left.", "London"), ("Then Peter came.", "Peter")]),
    ("The World Health Organization (founded in Geneva) and the Department of Energy agreed.",
     ["The WHO agreed.", "the W.H.O.", "the DOE", "the DoE agreed", "in Geneva"],
     [("UNICEF agreed.", "UNICEF"), ("the UN agreed", "UN"), ("the WTO", "WTO"),
      ("the Department of Defense", "Department of Defense"), ("in Vienna", "Vienna")]),
    ("NASA works with the ESA.",
     ["Nasa works.", "N.A.S.A. works."],
     [("the National Aeronautics Board", "National Aeronautics Board"), ("JAXA works.", "JAXA"),
      ("the FBI", "FBI")]),
    ("Ludwig van Beethoven knew Jean-Luc Picard and J. R. R. Tolkien.",
     ["Beethoven knew him.", "Ludwig Beethoven", "van Beethoven", "Jean Luc Picard", "Tolkien",
      "J.R.R. Tolkien", "Picard"],
     [("Johann van Beethoven", "Johann van Beethoven"), ("Jean-Paul Picard", "Jean-Paul Picard"),
      ("C.S. Lewis", "C.S. Lewis"), ("Mozart knew him.", "Mozart")]),
    ("John Fitzgerald Kennedy spoke at the Bank of England; the Kingdom of Scotland did not.",
     ["John Kennedy spoke.", "J. F. Kennedy", "JFK spoke.", "the Bank of England"],
     [("Robert Kennedy spoke.", "Robert Kennedy"), ("the Bank of Scotland", "Bank of Scotland"),
      ("the Bank of Ireland", "Bank of Ireland")]),
    ("The iPhone and YouTube are used with LangChain in Zürich.",
     ["Iphone users", "You Tube", "Lang Chain", "in Zurich", "langchain"],
     [("the iPad", "iPad"), ("on TikTok", "TikTok"), ("with LlamaIndex", "LlamaIndex"),
      ("in Bern", "Bern")]),
    ("annual leave policy: employees book it in the rota tool.",
     ["The Annual Leave Policy says so.", "Employees book it.", "However, they book it.",
      "The Rota Tool is used.", "Therefore it is booked.", "Please book it."],
     [("The Travel Policy says so.", "Travel Policy"), ("Workday is used.", "Workday"),
      ("They use SAP.", "SAP")]),
    ("Write to help@example.org or see https://example.org/leave.",
     ["help@example.org", "See https://www.example.org/leave."],
     [("write to hr@example.org", "hr@example.org"),
      ("see https://example.com/leave", "https://example.com/leave")]),
    ("The US and the IT team met; Kennedy, John signed.",
     ["The U.S. team met.", "the IT team", "John Kennedy signed."],
     [("The UK team met.", "UK"), ("the HR team", "HR")]),
    ("It is for us, and it is who we are.",
     ["It is for us."], [("The US agreed.", "US"), ("The WHO agreed.", "WHO"), ("ask IT", "IT")]),
]  # fmt: skip
QUOTATIONS: list[tuple[str, list[str], list[tuple[str, str]]]] = [
    ("He said that it’s never too late to book a room, and left.",
     ["He said “never too late”.", 'He said "Never too late to book".', "«never too   late»",
      "„never too late“", "‘never too late’", "He said “it's never … a room”.",
      'It is "never too late', "He said 'never too late'.", "“never [ever] too late”"],
     [("He said “always too late”.", "always too late"), ('He said "too soon".', "too soon"),
      ("«pas trop tard»", "pas trop tard"), ("‘too early’ he said", "too early"),
      ("“never too late … to cancel”", "never too late … to cancel"),
      ("He said “never too late to cancel", "never too late to cancel"), ("„zu spät“", "zu spät"),
      ("He said 'forever'.", "forever"), ("never ever again” he said.", "never ever again")]),
]  # fmt: skip
KINDS = {"number": NUMBERS, "date": DATES, "name": NAMES, "quotation": QUOTATIONS}
SAME = [
    (kind, source, said)
    for kind, rows in KINDS.items()
    for source, same, _ in rows
    for said in same
]
OTHER = [
    (kind, source, said, found)
    for kind, rows in KINDS.items()
    for source, _, other in rows
    for said, found in other
]


def test_the_table_is_long() -> None:
    assert len(SAME) + len(OTHER) >= 250


@pytest.mark.parametrize(("kind", "source", "said"), SAME)
def test_the_same_fact_in_another_form_is_not_flagged(kind: str, source: str, said: str) -> None:
    assert unfounded(said, [source]) == (), kind


@pytest.mark.parametrize(("kind", "source", "said", "found"), OTHER)
def test_a_fact_of_no_source_is_flagged(kind: str, source: str, said: str, found: str) -> None:
    flags = unfounded(said, [source])
    # A bare number of four digits may be a year, and a code may be a name.
    assert any(flag.text == found and kind in (flag.kind, "number") for flag in flags), flags
    assert all(said[flag.start : flag.end] == flag.text for flag in flags)


def test_offsets_and_order_are_those_of_the_segment() -> None:
    said = "Call <PHONE_NUMBER>: on 4 June “we pay” Peter Pan 99 dollars."
    flags = unfounded(said, ["Nothing."])
    assert [(flag.kind, flag.text) for flag in flags] == [
        ("date", "4 June"),
        ("quotation", "we pay"),
        ("name", "Peter Pan"),
        ("number", "99 dollars"),
    ]
    assert [said[flag.start : flag.end] for flag in flags] == [flag.text for flag in flags]


def test_what_the_question_says_is_not_flagged() -> None:
    said = "Peter Pan is not paid 99 dollars."
    assert unfounded(said, ["Nothing."], "Is Peter Pan paid $99?") == ()


@pytest.mark.parametrize(
    "said",
    ["", "   ", "|||", "<EMAIL_ADDRESS>", "Yes.", "I don't know.", "However, it is so.",
     "- an item", "## How it is booked", "One of them is enough.", "It may be so.",
     "First, book it."],
)  # fmt: skip
def test_what_states_no_fact_is_not_flagged(said: str) -> None:
    assert unfounded(said, [""]) == ()


def test_a_computed_number_is_flagged() -> None:
    flags = unfounded("In all it is 30 days.", ["20 days in spring and 10 days in autumn"])
    assert [flag.text for flag in flags] == ["30 days"]


@pytest.mark.parametrize(
    "hostile",
    ["1" * 50_000, "1," * 25_000, "1 000 " * 8_000, "A. " * 16_000, "Ab " * 16_000, "“" * 50_000,
     "'a" * 25_000, "one hundred and " * 3_000, "3 May " * 8_000, "a-1" * 16_000, "IV " * 16_000,
     "http://" * 7_000, "a@b." * 12_000, "3/5/" * 12_000, ". " * 25_000, "\"a\" " * 12_000,
     "a" * 50_000, "a-" * 25_000, "aB" * 25_000, "word " * 10_000, "a1b2-" * 10_000,
     "van der " * 6_000, "A&" * 25_000, "5-" * 25_000, "[" * 50_000, "° " * 25_000, "é" * 50_000],
)  # fmt: skip
def test_hostile_texts_take_bounded_time(hostile: str, within: Any) -> None:
    within(30, lambda: Known([hostile]).unfounded(hostile))
    within(30, lambda: Known(["A word."]).unfounded(hostile))


_PARTS = (
    "5",
    "1,000",
    "1.5",
    "K",
    "M",
    "m",
    "bn",
    "%",
    "$",
    "€",
    "3 May",
    "2021",
    "Ann",
    "IV",
    "E-42",
    "one",
    "half",
    "dozen",
    "“",
    "”",
    "-",
    "/",
    ".",
    ",",
    "st",
    "and",
    "½",
    "de",
)


@given(st.lists(st.sampled_from(_PARTS), max_size=24))
def test_what_a_text_says_it_says_itself(parts: list[str]) -> None:
    text = " ".join(parts)
    assert unfounded(text, [text]) == ()


@given(st.lists(st.sampled_from(_PARTS) | st.text(max_size=6), max_size=24))
def test_whatever_stands_in_it_flags_are_of_the_text(parts: list[str]) -> None:
    text = "".join(parts)
    assert all(text[flag.start : flag.end] == flag.text for flag in unfounded(text, ["a 1"]))


def test_ordinary_prose_costs_little(within: Any) -> None:
    prose = "The incredibly straightforward arrangements of Rotterdam were reconsidered in 1921. "
    within(0.5, lambda: Known([prose * 25]).unfounded(prose))
