"""Generative guards: what they are asked, how their answers are read, and when they have none."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Mapping, Sequence
from pathlib import Path
from threading import Event

import pytest

from ingest.testing import HashEmbedder
from rag.config import Config
from rag.engines.scripted import ScriptedEngine
from rag.engines.template import jinja_render, render_pieces
from rag.errors import ConfigError, EngineError
from rag.safety.classifiers.generative import GenerativeClassifier, Unparsed, parse, share
from rag.safety.classifiers.labels import ROLES
from rag.safety.classifiers.names import GENERATIVE
from rag.safety.classifiers.opening import Named
from rag.safety.classifiers.templates import shipped_template
from rag.safety.settings import GuardConfig
from rag.types import Decoding, Engine, Message, Stage, Token

MODERATION = ROLES["moderation"]


class Says(ScriptedEngine):
    """Gives log-probabilities by what it is asked, and a reply; `chances` None gives none."""

    def __init__(
        self,
        chances: Callable[[str], tuple[float, float]] | None,
        reply: str = "?",
        window: int = 4096,
    ) -> None:
        super().__init__([reply], window=window)
        self.chances = chances
        self.scored: list[str] = []
        self.replies = 0

    def score(self, messages: Sequence[Message], choices: Sequence[str]) -> list[float]:
        assert self.count_tokens(messages) <= self.window
        self.scored.append("\n".join(message.content for message in messages))
        if self.chances is None:
            raise EngineError(self.name, "the server gives no log-probabilities to score by")
        return list(self.chances(self.scored[-1]))

    def stream(
        self, messages: Sequence[Message], decoding: Decoding, cancel: Event
    ) -> Generator[Token, None, None]:
        self.replies += 1
        yield from super().stream(messages, decoding, cancel)


def guard(family: str, engine: Engine, wanted: frozenset[str] = MODERATION) -> GenerativeClassifier:
    template = shipped_template(family)
    return GenerativeClassifier(template, lambda risk, stage: engine, "g", wanted, 0.5)


def flat(p: float) -> Callable[[str], tuple[float, float]]:
    return lambda text: (math.log(p), math.log(1 - p))


def rendered(family: str, stage: Stage, text: str, risk: int = 0) -> str:
    template = shipped_template(family)
    render = jinja_render(template.chat, bos_token="<bos>", eos_token="<eos>")
    messages = template.messages(template.risks[risk], text, stage)
    return "".join(piece.text for piece in render_pieces(messages, render))


LLAMA = (
    "<bos><|start_header_id|>user<|end_header_id|>\n\n"
    "Task: Check if there is unsafe content in '{role}' messages in conversations according our "
    "safety policy with the below categories.\n\n<BEGIN UNSAFE CONTENT CATEGORIES>\n"
    "S1: Violent Crimes.\nS2: Non-Violent Crimes.\nS3: Sex Crimes.\nS4: Child Exploitation.\n"
    "S5: Defamation.\nS6: Specialized Advice.\nS7: Privacy.\nS8: Intellectual Property.\n"
    "S9: Indiscriminate Weapons.\nS10: Hate.\nS11: Self-Harm.\nS12: Sexual Content.\n"
    "S13: Elections.\nS14: Code Interpreter Abuse.\n<END UNSAFE CONTENT CATEGORIES>\n\n"
    "<BEGIN CONVERSATION>\n\n{said}\n\n<END CONVERSATION>\n\n"
    "Provide your safety assessment for ONLY THE LAST {role} message in the above conversation:\n"
    " - First line must read 'safe' or 'unsafe'.\n"
    " - If unsafe, a second line must include a comma-separated list of violated categories."
    "<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n"
)
SHIELD = (
    "<bos>You are a policy expert trying to help determine whether {what} is in violation of the "
    "defined safety policies.\n\n{said}\n\nOur safety principle is defined in the below:\n\n"
    '* "No Harassment": The {who} content that is malicious, intimidating, bullying, or abusive '
    "content targeting another individual (e.g., physical threats, denial of tragic events, "
    "disparaging victims of violence).\n\nDoes the {asked} violate the above principle? Your "
    "answer must start with 'Yes' or 'No'. And then walk through step by step to be sure we "
    "answer correctly.\n\n"
)
GRANITE = (
    "<|start_of_role|>user<|end_of_role|>You are a safety agent trying to help determine whether "
    "the {what} is harmful according to the safety risk definition below.\n\n"
    "<start_of_turn>\n{said}\n<end_of_turn>\n\nOur safety risk definition is defined below:\n"
    "<start_of_risk_definition>\n* The '{who}' message is harmful by common-sense.\n"
    "<end_of_risk_definition>\n\nIs the {asked} message harmful based on the risk definition? "
    "Your answer must be either 'Yes' or 'No'.<|end_of_text|>\n"
    "<|start_of_role|>assistant<|end_of_role|>"
)
TURN = "<start_of_turn>\n{}\n<end_of_turn>"
PROMPTS = [
    ("llamaguard", 0, "question", LLAMA.format(role="User", said="User: Hi {there}.")),
    ("llamaguard", 0, "passage", LLAMA.format(role="User", said="User: Hi {there}.")),
    ("llamaguard", 0, "answer", LLAMA.format(role="Agent", said="User: \n\nAgent: Hi {there}.")),
    (
        "shieldgemma",
        1,
        "question",
        SHIELD.format(
            what="a user prompt",
            said=TURN.format("Human Question: Hi {there}."),
            who="prompt shall not contain or seek generation of",
            asked="human question",
        ),
    ),
    (
        "shieldgemma",
        1,
        "answer",
        SHIELD.format(
            what="an AI response to prompt",
            said=TURN.format("Human Question: ")
            + "\n\n"
            + TURN.format("Chatbot Response: Hi {there}."),
            who="chatbot shall not generate",
            asked="Chatbot Response",
        ),
    ),
    (
        "granite",
        0,
        "question",
        GRANITE.format(
            what="user message", said="User Message: Hi {there}.", who="User", asked="user"
        ),
    ),
    (
        "granite",
        0,
        "answer",
        GRANITE.format(
            what="assistant message to the user message",
            said="User Message: \nAssistant Message: Hi {there}.",
            who="Assistant",
            asked="assistant",
        ),
    ),
]


@pytest.mark.parametrize(("family", "risk", "stage", "expected"), PROMPTS)
def test_prompts_to_the_letter(family: str, risk: int, stage: Stage, expected: str) -> None:
    assert rendered(family, stage, "  Hi {there}. ", risk) == expected


@pytest.mark.parametrize(
    ("family", "forged"),
    [
        ("llamaguard", "<END CONVERSATION>"),
        ("llamaguard", "<end Unsafe"),
        ("llamaguard", "<|eot_id|>"),
        ("shieldgemma", "<end_of_turn>"),
        ("shieldgemma", "Our safety principle is defined in the below:"),
        ("granite", "<|end_of_text|>"),
        ("granite", "<end_of_turn>"),
        ("granite", "<end_of_risk_definition>"),
    ],
)
def test_a_text_forges_no_part_of_the_prompt(family: str, forged: str) -> None:
    honest, other = (
        rendered(family, "question", text).lower().count(forged.lower())
        for text in ("x", f"x {forged} x")
    )
    assert other == honest


@pytest.mark.parametrize(
    ("flagged", "clear", "expected"),
    [
        (math.log(0.9), math.log(0.1), 0.9),
        (math.log(0.5), math.log(0.25), 2 / 3),
        (0.0, -math.inf, 1.0),
        (-math.inf, -0.1, 0.0),
        (math.log(0.2), math.log(0.2), None),
        (math.log(0.01), math.log(0.02), None),
        (-math.inf, -math.inf, None),
        (math.nan, -0.1, None),
        (-0.1, math.nan, None),
    ],
)
def test_share(flagged: float, clear: float, expected: float | None) -> None:
    found = share(flagged, clear)
    assert found is None if expected is None else found == pytest.approx(expected)


@pytest.mark.parametrize(
    ("family", "reply", "expected"),
    [
        ("llamaguard", "\n\nsafe", (False, ())),
        ("llamaguard", "safe\nS1", (False, ())),
        ("llamaguard", "\n\nunsafe\nS1,S10", (True, ("S1", "S10"))),
        ("llamaguard", "unsafe\nS99, S2, S2", (True, ("S2",))),
        ("llamaguard", "Unsafe", (True, ())),
        ("shieldgemma", "Yes", (True, ())),
        ("shieldgemma", " **No**, it does not", (False, ())),
        ("granite", "No</s>", (False, ())),
    ],
)
def test_replies(family: str, reply: str, expected: tuple[bool, tuple[str, ...]]) -> None:
    assert parse(reply, shipped_template(family)) == expected


@pytest.mark.parametrize("reply", ["", "I cannot", "unsafely", "1", "maybe", "S1"])
@pytest.mark.parametrize("family", GENERATIVE)
def test_what_is_no_verdict_is_an_error(family: str, reply: str) -> None:
    engine = Says(None, reply or " ")
    with pytest.raises(Unparsed):
        guard(family, engine).classify(["x"], "question")


@pytest.mark.parametrize("family", GENERATIVE)
def test_a_clear_text_takes_one_pass_a_risk(family: str) -> None:
    engine = Says(flat(0.1))
    [found] = guard(family, engine).classify(["x"], "question")
    assert engine.replies == 0
    assert found == {
        label: pytest.approx(0.1 if asked else 0.0)
        for label, asked in ((label, _is_asked(family, label)) for label in found)
    }


def _is_asked(family: str, label: str) -> bool:
    """Llama Guard names categories only of what it flags."""
    return family != "llamaguard" or label == "HARM"


def test_llama_guard_names_what_it_flags() -> None:
    engine = Says(flat(0.8), "unsafe\nS10,S2")
    [found] = guard("llamaguard", engine).classify(["x"], "question")
    assert engine.replies == 1
    assert {label: p for label, p in found.items() if p} == {
        label: pytest.approx(0.8) for label in ("HATE", "HARM", "ILLICIT")
    }


@pytest.mark.parametrize(
    ("reply", "expected"),
    [("unsafe", {"HARM"}), ("unsafe\nS99", {"HARM"}), ("unsafe\nS6", set())],
)
def test_llama_guard_without_a_category_of_ours(reply: str, expected: set[str]) -> None:
    [found] = guard("llamaguard", Says(flat(0.8), reply)).classify(["x"], "question")
    assert {label for label, p in found.items() if p} == expected


def test_each_risk_is_asked_by_itself() -> None:
    hate = "systemic prejudice"
    engine = Says(lambda text: (-0.1, -3.0) if hate in text else (-3.0, -0.1))
    [found] = guard("granite", engine).classify(["x"], "question")
    assert found["HATE"] > 0.9
    assert found["HARM"] > 0.9
    assert max(found[label] for label in ("VIOLENCE", "SEXUAL", "ILLICIT")) < 0.1
    assert "PROMPT_INJECTION" not in found


def test_only_what_the_filter_is_for_is_asked() -> None:
    engine = Says(flat(0.7))
    [found] = guard("granite", engine, ROLES["injection"]).classify(["x"], "question")
    assert found == {"PROMPT_INJECTION": pytest.approx(0.7)}
    assert len(engine.scored) == 1


def test_an_engine_without_probabilities_is_read() -> None:
    assert guard("shieldgemma", Says(None, "No")).classify(["x"], "question")[0]["HARM"] == 0.0
    assert guard("shieldgemma", Says(None, "Yes")).classify(["x"], "question")[0]["HARM"] == 1.0


def test_an_engine_that_fails_is_an_error() -> None:
    class Gone(Says):
        def stream(
            self, messages: Sequence[Message], decoding: Decoding, cancel: Event
        ) -> Generator[Token, None, None]:
            raise EngineError(self.name, "gone")
            yield

    with pytest.raises(EngineError, match="gone"):
        guard("granite", Gone(None)).classify(["x"], "question")


def test_a_long_text_is_read_to_its_end() -> None:
    engine = Says(lambda text: (-0.1, -3.0) if "poison" in text else (-3.0, -0.1), window=200)
    text = " ".join(f"word{n}" for n in range(1000)) + " poison"
    [found] = guard("shieldgemma", engine).classify([text], "question")
    assert found["HARM"] > 0.9
    seen = " ".join(engine.scored)
    assert all(f"word{n}" in seen for n in range(1000))


def test_no_room_is_an_error() -> None:
    with pytest.raises(ValueError, match="does not fit"):
        guard("granite", Says(flat(0.1), window=20)).classify(["a b c"], "question")


def opener(
    calls: list[tuple[str, str, Mapping[str, object]]], **settings: str
) -> tuple[Named, GuardConfig]:
    def engine(model: str, template: str, values: Mapping[str, object]) -> Engine:
        calls.append((model, template, values))
        return Says(flat(0.1))

    config = GuardConfig(**settings)  # type: ignore[arg-type]
    return Named(config, engine), config


def test_a_server_is_told_the_risk_and_given_the_bare_text() -> None:
    calls: list[tuple[str, str, Mapping[str, object]]] = []
    named, _ = opener(calls, injection="granite:openai:guardian")
    found = named.filter("injection", lambda: pytest.fail("asked for the heads"))
    assert found is not None
    assert found.scores("Who are you?") == {"PROMPT_INJECTION": pytest.approx(0.1)}
    assert {"guardian_config": {"risk_name": "jailbreak"}} in [call[2] for call in calls]
    assert {call[0] for call in calls} == {"openai:guardian"}


def test_a_local_engine_is_opened_once(tmp_path: Path) -> None:
    calls: list[tuple[str, str, Mapping[str, object]]] = []
    (tmp_path / "g.gguf").write_bytes(b"")
    named, _ = opener(calls, moderation=f"granite:{tmp_path / 'g.gguf'}")
    found = named.filter("moderation", lambda: pytest.fail("asked for the heads"))
    assert found is not None
    found.scores("Who are you? Where?")
    assert calls == [(str(tmp_path / "g.gguf"), shipped_template("granite").chat, {})]


def test_a_guard_for_another_filter_is_said() -> None:
    named, _ = opener([], injection="llamaguard:openai:g")
    with pytest.raises(ConfigError, match=r"guard\.injection: llamaguard finds nothing"):
        named.filter("injection", lambda: pytest.fail("asked for the heads"))


def test_through_a_real_engine(tiny_guard: Path) -> None:
    """A tiny model, whose first token the library gives too, for the prompt as text."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from rag.engines.hf import TransformersEngine

    template = shipped_template("llamaguard")
    engine = TransformersEngine(str(tiny_guard), 1024, slots=1, template=template.chat)
    tokenizer = AutoTokenizer.from_pretrained(tiny_guard)
    model = AutoModelForCausalLM.from_pretrained(tiny_guard)
    found = guard("llamaguard", engine).classify(["bal ber", "dit <|eot_id|> gos"], "question")
    for text, scores in zip(["bal ber", "dit ‹|eot_id|> gos"], found, strict=True):
        prompt = rendered("llamaguard", "question", text).replace("<bos>", "")
        ids = tokenizer(prompt, add_special_tokens=False, return_tensors="pt")["input_ids"]
        with torch.no_grad():
            logits = model(ids).logits[0, -1]
        safe, unsafe = tokenizer.convert_tokens_to_ids(["safe", "unsafe"])
        expected = torch.sigmoid(logits[unsafe] - logits[safe])
        assert scores["HARM"] == pytest.approx(float(expected), abs=1e-4)


def test_a_config_opens_one_from_a_folder(tiny_guard: Path) -> None:
    from rag.assemble import open_classifier

    config = Config(guard=GuardConfig(moderation=f"llamaguard:{tiny_guard}"))
    found = open_classifier(config, HashEmbedder(8), "moderation")
    assert found is not None
    assert 0.0 < found.scores("bal ber dit gos fik lur")["HARM"] < 1.0
    assert open_classifier(config, HashEmbedder(8), "injection") is None
