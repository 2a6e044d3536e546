"""The made-up chat page over a folder that exists, with a filter that knows one name."""

import os
import re
import sys
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import evals.review.stand_ins as stand_ins
from rag.types import Answer, Finding

KNOWN = re.compile(r"(?P<PERSON>Fiona Maclure)|(?P<PHONE_NUMBER>\+44 [\d ]+\d)")


def find(text: str) -> list[Finding]:
    return [
        Finding("question", str(match.lastgroup), *match.span(), 0.9, "pii")
        for match in KNOWN.finditer(text)
    ]


def with_its_own_trace(page: Any, *scene: Any) -> Answer:
    answer: Answer = page.made_alike(*scene)
    return replace(answer, trace=f"/kb/traces/{next(page.numbers)}.json")


def main() -> None:
    Path(os.environ["SUREFOOT_CHAT_KB"]).mkdir(exist_ok=True)
    stand_ins.open_pseudonymiser = lambda: stand_ins.StandIns(find)
    sys.path.insert(0, str(Path(__file__).parent))
    import chat_fake_page

    plain: Any = chat_fake_page
    if not hasattr(plain, "numbers"):
        plain.numbers, plain.made_alike = count(), plain.made
        plain.made = lambda *scene: with_its_own_trace(plain, *scene)
    chat_fake_page.play()


if __name__ == "__main__":
    main()
