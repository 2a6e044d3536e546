"""The real page over a made-up assistant: the question names the scene that it plays."""

import runpy
import sys
import time
import types
from collections.abc import Iterator
from pathlib import Path
from threading import Event
from types import SimpleNamespace
from typing import Any

import ingest.audience
import rag.errors
import ui
from evals.sample import DOCUMENTS
from ingest.load import content_hash
from ingest.types import DocumentRecord
from rag.types import (
    Answer,
    AnswerEvent,
    Citation,
    Decision,
    Dropped,
    Finding,
    ModelRef,
    Passage,
    Sentence,
    Shown,
    StageDone,
    Token,
    TokenUse,
    Verdict,
)

EVIL = (
    "# Evil <script>window.owned=1</script>\n<img src=https://evil.example/a.png onerror=owned()>"
    "\n![pixel](https://evil.example/b.png) [click](javascript:owned()) </blockquote><style>*{}"
    "</style>\n\nThe boiler is serviced **every May** & $x$.\n"
)
LEAVE = (
    "Annual leave\n\nEvery employee has 28 days of paid leave a year.\n\n"
    "Up to five days of unused leave may be carried over. They must be used by 31 March of the "
    "next year; after that they lapse. Ask ••••••••••••••••• (People Office) if in doubt.\n\n"
    "Leave is booked in the rota tool at least two weeks ahead. " + "Filler words go on. " * 30
)


def passage(rank: int, title: str, text: str, path: str, page: int | None) -> Passage:
    return Passage(
        rank, 1.0 / rank, 0.7, 3.0, path, path, title, (title, "Carrying over"), page, 100,
        100 + len(text), text,
    )  # fmt: skip


CODE = DOCUMENTS / "policies" / "code-of-conduct.pdf"
CODE_TEXT = "Safety comes before the timetable, always. Anyone may stop a job that looks unsafe."
PASSAGES = (
    passage(1, "Annual leave policy", LEAVE, "/kb/policies/annual-leave.pdf", 3),
    passage(2, "Evil <b>title</b> ![i](https://evil.example/t.png)", EVIL, "/kb/evil.md", None),
    passage(3, "Onboarding guide", "Day one: collect your card.\n", "/kb/onboarding.md", None),
    passage(4, "Code of Conduct", CODE_TEXT, str(CODE), 1),
)


def cite(index: int, quote: str) -> Citation:
    held = PASSAGES[index]
    start = held.start + held.text.index(quote)
    return Citation(held.document, held.path, held.page, start, start + len(quote), quote)


CARRY = cite(0, "Up to five days of unused leave may be carried over.")
BY_MARCH = cite(0, "They must be used by 31 March of the next year; after that they lapse.")
MAY = cite(1, "The boiler is serviced **every May** & $x$.")
SCENES: dict[str, list[Sentence]] = {
    "leave": [
        Sentence("You may carry over up to **five days** of unused leave. ", 0.93, (CARRY,)),
        Sentence("Use them by 31 March, or they lapse.\n\n", 0.64, (BY_MARCH, CARRY)),
        Sentence("- Leave is booked in the rota tool.", 0.41, (cite(0, "Leave is booked in"),)),
    ],
    "evil": [
        Sentence("Every May. <script>window.owned=1</script> ![p](https://evil.example/c.png) ",
                 0.8, (MAY,)),
        Sentence("See [this](https://evil.example/d) <img src=https://evil.example/e.png>.", 0.7),
    ],
    "personal": [
        Sentence("Fiona Maclure is reached at <EMAIL_ADDRESS> or <PHONE_NUMBER>.", 0.88, (CARRY,)),
    ],
    "unknown": [
        Sentence(
            "I don't know: the documents don't answer this. Nearest were: Annual leave policy; "
            "Onboarding guide.", None,
        )
    ],
    "blocked": [
        Sentence(
            "This reads like an instruction to change how I work rather than a question about the "
            "documents, so I did not act on it. Please ask about the documents.", None,
        )
    ],
    "half": [
        Sentence("You may carry over up to five days. ", 0.93, (CARRY,)),
        Sentence("\n\nThe answer stops here: what came next may be harmful.", None),
    ],
    "pdf": [
        Sentence("Anyone may stop a job. ", 0.93, (cite(3, "Anyone may stop a job that looks"),)),
        Sentence("Ask the People Office.", 0.9, (CARRY,)),
    ],
    "slow": [Sentence(f"Sentence {number}. ", 0.9, (CARRY,)) for number in range(1, 200)],
    "fails": [Sentence("You may carry over up to five days. ", 0.93, (CARRY,))],
}  # fmt: skip
STATUS = {"unknown": "abstained", "blocked": "blocked", "half": "blocked"}
CAUSE = {
    "unknown": "nothing that the model said is supported by the passages",
    "blocked": "injection: PROMPT_INJECTION",
    "half": "moderation: VIOLENCE",
}


class FakeAssistant:
    """Also its own retriever and guard. The guard hides the version number of any page."""

    def __init__(self) -> None:
        self.retriever = self.guard = self

    def retrieve(self, question: str, groups: Any, top: int) -> list[Passage]:
        return [item for item in PASSAGES if item.title in question][:top]

    def check(self, text: str, stage: Any) -> Verdict:
        start = text.find("GOV-01")
        found = Finding(stage, "ID", start, start + 6, 1.0, "fake", "redact")
        return Verdict(Decision.REDACT, text, (found,) if start >= 0 else ())

    def stream(
        self, question: str, history: Any = (), groups: Any = (), cancel: Any = None, **_: Any
    ) -> Iterator[AnswerEvent]:
        scene = question.split()[0].lower()
        scene = scene if scene in SCENES else "leave"
        stop = cancel or Event()
        for number, stage in enumerate(("guard_question", "retrieve", "guard_passages", "budget")):
            time.sleep(0.05)
            yield StageDone(stage, 10.0 * number)
        shown: list[Sentence] = []
        for sentence in SCENES[scene]:
            time.sleep(0.3 if scene == "slow" else 0.05)
            if stop.is_set():
                break
            shown.append(sentence)
            yield Shown(sentence, tuple(tokens(sentence.text)))
        if scene == "fails":
            raise rag.errors.EngineError("llama.cpp", "the model gave no more tokens")
        yield made(scene, shown, stop.is_set(), len(history))


def tokens(text: str) -> Iterator[Token]:
    """A token a word, each less sure than the one before."""
    for number, word in enumerate(text.split(" ")):
        yield Token(f" {word}" if number else word, number, -0.25 * number)


def made(scene: str, shown: list[Sentence], stopped: bool, turns: int) -> Answer:
    finding = Finding("passage", "EMAIL_ADDRESS", 3, 9, 0.9, "pii", "redact")
    return Answer(
        status=STATUS.get(scene, "answered"),  # type: ignore[arg-type]
        text="".join(sentence.text for sentence in shown).strip(),
        sentences=tuple(shown),
        passages=() if scene == "blocked" else PASSAGES if scene == "pdf" else PASSAGES[:3],
        findings=(finding, finding),
        tokens=TokenUse(431, 57, 4096, (Dropped("6 sentences of passage 3 <b>", 120, "budget"),)),
        timings_ms={"guard_question": 12.0, "retrieve": 80.0, "first_token": 900.0, "total": 2431},
        model=ModelRef(f"fake-after-{turns}-messages", "ab" * 32),
        trace="/kb/traces/20260101T000000-00000000.json",
        cause="stopped by the reader" if stopped else CAUSE.get(scene),
        withheld=1 if scene in ("leave", "unknown") else 0,
    )


class FakeBase:
    def info(self) -> SimpleNamespace:
        return SimpleNamespace(generation=4, updated="2026-11-20T09:30:00+00:00")

    def documents(self) -> list[DocumentRecord]:
        none = frozenset[str]()
        return [
            DocumentRecord(
                *(item.path, item.path, item.title, 7, groups, sha256, 10, 10, ""),
                paths=(item.path,),
                identities=(item.path,),
                metadata={},
            )
            for item, groups, sha256 in (
                (PASSAGES[0], none, "00"),
                (PASSAGES[1], none, "00"),
                (PASSAGES[2], frozenset({"board"}), "00"),
                (PASSAGES[3], none, content_hash(CODE)),
            )
        ]


def play() -> None:
    # There is no base whose documents would have groups now.
    ingest.audience.audience = lambda *_: {}
    store: Any = types.ModuleType("ingest.store")
    store.KnowledgeBase = SimpleNamespace(open=lambda *_: FakeBase())
    pipeline: Any = types.ModuleType("rag.pipeline")
    pipeline.Assistant = SimpleNamespace(open=lambda *_: FakeAssistant())
    sys.modules.update({"ingest.store": store, "rag.pipeline": pipeline})
    runpy.run_path(str(Path(ui.__file__).parent / "chat.py"), run_name="__main__")


if __name__ == "__main__":
    play()
