"""Policies are read from TOML; what they cannot mean is said in one line that helps."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.config import Config, load
from rag.errors import ConfigError, PolicyError
from rag.safety.addresses import ADDRESSES
from rag.safety.labels import GROUPS, LABELS, NER_LABELS, STAGES, expanded
from rag.safety.policy import DEFAULT, PERSONAL, SHIPPED, Policy, Rule, load_policy, policy_of
from rag.safety.policy_file import parse_policy
from rag.safety.recognizers import ROWS
from rag.safety.settings import GuardConfig
from rag.types import Action, Stage

KEEP = Rule("keep")


def parsed(text: str) -> Policy:
    return parse_policy(text.encode(), "ours.toml")


def expected(stage: Stage, label: str) -> Rule:
    """What balanced does, said another way."""
    answers: dict[str, Action] = {"PROMPT_INJECTION": "redact", "DENIED": "redact"}
    if label in PERSONAL:
        return Rule("keep" if stage == "question" else "redact", 0.5)
    if label in GROUPS["moderation"]:
        return Rule("redact" if stage == "passage" else "block")
    if label in ("PROMPT_INJECTION", "DENIED"):
        return Rule({"question": "block", "passage": "redact"}.get(stage) or answers[label])
    if label == "ILLICIT":
        return Rule("block" if stage == "question" else "keep")
    return Rule("redact" if label in GROUPS["links"] and stage == "answer" else "keep")


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("label", LABELS)
def test_balanced_is_what_it_always_was(stage: Stage, label: str) -> None:
    assert DEFAULT.rule(stage, label) == expected(stage, label)


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_policy_says_something_of_every_label(name: str) -> None:
    policy = load_policy(name)
    assert set(policy.rules) == {(stage, label) for stage in STAGES for label in LABELS}


@pytest.mark.parametrize(
    ("name", "stage", "label", "action"),
    [
        ("strict", "question", "PHONE_NUMBER", "redact"),
        ("strict", "answer", "PERSON", "pseudonym"),
        ("strict", "passage", "PERSON", "pseudonym"),
        ("strict", "passage", "PROMPT_INJECTION", "block"),
        ("strict", "answer", "ILLICIT", "block"),
        ("research", "answer", "PHONE_NUMBER", "keep"),
        ("research", "answer", "API_KEY", "redact"),
        ("research", "answer", "HATE", "keep"),
        ("research", "answer", "SEXUAL_MINORS", "block"),
        ("research", "answer", "SELF_HARM", "block"),
        ("research", "passage", "PROMPT_INJECTION", "redact"),
        ("research", "answer", "EXTERNAL_IMAGE", "redact"),
    ],
)
def test_the_other_shipped_policies(name: str, stage: Stage, label: str, action: Action) -> None:
    assert load_policy(name).action(stage, label, 1.0) == action


def test_every_label_of_a_pattern_can_be_named() -> None:
    assert {row.label for row in (*ROWS, *ADDRESSES)} <= set(LABELS)
    assert len(set(LABELS)) == len(LABELS)


def test_a_file_says_only_what_differs() -> None:
    policy = parsed('[answer]\nnames = "mask"\nPERSON = "pseudonym"\ncontact = "block"\n')
    assert policy.rule("answer", "LOCATION") == Rule("redact")
    assert policy.rule("answer", "PERSON") == Rule("pseudonym")
    assert policy.rule("answer", "PHONE_NUMBER") == Rule("block", 0.5)
    assert policy.rule("passage", "PHONE_NUMBER") == Rule("redact", 0.5)
    assert policy.uses("pseudonym")


@pytest.mark.parametrize("text", ["", "[allow]\n", 'base = "balanced"'])
def test_an_empty_file_is_balanced(text: str) -> None:
    assert parsed(text) == DEFAULT


def test_nothing_is_acted_on_without_a_base() -> None:
    assert parsed('base = "none"') == Policy()


@pytest.mark.parametrize(
    ("word", "action"), [("fence", "keep"), ("neutralise", "redact"), ("drop", "block")]
)
def test_passages_have_words_of_their_own(word: str, action: Action) -> None:
    assert parsed(f'[passage]\ninjection = "{word}"').rule("passage", "PROMPT_INJECTION") == Rule(
        action
    )


def test_lists_hosts_and_readers() -> None:
    policy = parsed(
        '[allow]\nvalues = ["+44 131 496 0100"]\ndomains = ["@Example.ORG"]\n'
        'labels = ["contact", "PERSON"]\ndocuments = ["./contact.md"]\npatterns = ["A\\\\d{2}"]\n'
        '[deny]\nwords = ["Project   Falcon"]\n[links]\nhosts = ["*.Docs.example"]\n'
        '[pseudonyms]\nrestore_for = ["hr"]\nto_model = true\n'
    )
    assert policy.allowed.domains == ("example.org",)
    assert policy.allowed.documents == ("contact.md",)
    assert policy.allowed.labels == {*GROUPS["contact"], "PERSON"}
    assert policy.denied.words == ("Project Falcon",)
    assert policy.hosts == ("docs.example",)
    assert (policy.restoring.groups, policy.restoring.to_model) == ({"hr"}, True)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[answer", "policy ours.toml: is not TOML: Expected ']'"),
        ("[anwser]", "policy ours.toml: anwser: unknown; did you mean answer?"),
        ("answer = 1", "answer: must be a table: [answer]"),
        ('base = "strikt"', "base: 'strikt' is unknown; did you mean strict?"),
        ('[answer]\ncontac = "mask"', "[answer] contac: unknown; did you mean contact?"),
        ('[answer]\nPHONE = "mask"', "[answer] PHONE: unknown; did you mean PHONE_NUMBER?"),
        ('[answer]\nContact = "mask"', "[answer] Contact: unknown; did you mean contact?"),
        ('[answer]\ncontact = "maks"', "[answer] contact: 'maks' is no action; did you mean mask?"),
        ("[answer]\ncontact = 3", "[answer] contact: 3 is no action; known are keep, mask"),
        ('[answer]\ninjection = "drop"', "drop is for passages; block is for all"),
        ('[answer]\nHATE = "hash"', "[answer] HATE: hash is for personal data and names"),
        ("[answer]\ncontact = {threshold = 0.5}", "[answer] contact: has no action"),
        (
            '[answer]\ncontact = {action = "mask", treshold = 0.5}',
            "treshold is unknown; did you mean threshold?",
        ),
        ('[answer]\ncontact = {action = "mask", threshold = 2}', "threshold 2 is not a number"),
        ('[answer]\ncontact = {action = "mask", threshold = nan}', "threshold nan is not a"),
        ('[answer]\ncontact = {action = "mask", threshold = true}', "threshold True is not a"),
        ('[allow]\nvalue = ["x"]', "[allow] value: unknown; did you mean values?"),
        ('[allow]\nvalues = "x"', "[allow] values: must be a list of strings"),
        ('[allow]\nvalues = ["--"]', "[allow] values: '--' has neither letters nor digits"),
        ('[allow]\nlabels = ["contcat"]', "labels: 'contcat' is unknown; did you mean contact?"),
        ('[allow]\nlabels = ["HATE"]', "labels: HATE is no personal data, and can't be allowed"),
        ('[allow]\ndomains = ["a@b.org"]', "domains: 'a@b.org' is an address; a domain is what"),
        ('[allow]\ndomains = ["com"]', "domains: 'com' is no domain, such as example.org"),
        ('[allow]\ndocuments = ["../x"]', "documents: '../x' names no document"),
        ('[allow]\npatterns = ["("]', "patterns: '(' is no regular expression (missing )"),
        ('[allow]\npatterns = ["(a+)+$"]', "patterns: '(a+)+$' is too slow"),
        ('[deny]\npatterns = ["x*"]', "patterns: 'x*' fits an empty text"),
        ('[deny]\nword = ["x"]', "[deny] word: unknown; did you mean words?"),
        ('[links]\nhosts = ["https://x.org"]', "'https://x.org' is more than a host"),
        ('[pseudonyms]\nto_model = "yes"', "[pseudonyms] to_model: 'yes' is neither true nor"),
        ('[pseudonyms]\nrestore_for = [" "]', "restore_for: ' ' is no name of a group"),
    ],
)
def test_an_error_says_where_and_what(text: str, said: str) -> None:
    with pytest.raises(PolicyError) as caught:
        parsed(text)
    line = str(caught.value)
    assert said in line
    assert line.startswith("policy ours.toml: ")
    assert "\n" not in line


@given(st.text(max_size=200))
def test_any_text_is_a_policy_or_one_clear_error(text: str) -> None:
    said = ""
    try:
        parse_policy(text.encode("utf-8", "replace"), "ours.toml")
    except PolicyError as error:
        said = str(error)
    assert "\n" not in said


@given(
    st.sampled_from(STAGES),
    st.sampled_from([*GROUPS, *LABELS]),
    st.sampled_from(["keep", "mask", "block"]),
    st.floats(0, 1),
)
def test_what_is_written_is_what_holds(stage: Stage, key: str, word: str, threshold: float) -> None:
    policy = parsed(f'[{stage}]\n{key} = {{action = "{word}", threshold = {threshold!r}}}')
    action: Action = "redact" if word == "mask" else "keep" if word == "keep" else "block"
    for label in LABELS:
        for where in STAGES:
            changed = where == stage and label in expanded(key)
            rule = Rule(action, threshold) if changed else DEFAULT.rule(where, label)
            assert policy.rule(where, label) == rule


def test_a_policy_is_found_by_name_or_path(tmp_path: Path) -> None:
    file = tmp_path / "ours.toml"
    file.write_text('[answer]\nnames = "mask"\n')
    assert load_policy("strict") == load_policy("strict")
    assert load_policy(str(file)).acts_on("answer", NER_LABELS)
    for wrong in ("strct", str(tmp_path), str(tmp_path / "none.toml")):
        with pytest.raises(PolicyError, match="no such file, and no shipped policy"):
            load_policy(wrong)


def test_the_config_names_the_policy_and_pins_its_content(tmp_path: Path) -> None:
    file = tmp_path / "ours.toml"
    file.write_text('[answer]\nnames = "mask"\n')
    config = load(env={"SUREFOOT_GUARD_POLICY": str(file), "SUREFOOT_GUARD_SHOW": "LOCATION"})
    assert len(config.guard.policy_sha256) == 64
    policy = policy_of(config.guard)
    assert policy.rule("answer", "ORGANIZATION") == Rule("redact")
    assert policy.rule("answer", "LOCATION") == KEEP
    file.write_text('[answer]\nnames = "block"\n')
    with pytest.raises(PolicyError, match="has changed"):
        policy_of(config.guard)
    with pytest.raises(ConfigError, match="has changed"):
        config.guard.pinned()


def test_a_shipped_policy_comes_with_the_program() -> None:
    config = load(env={"SUREFOOT_GUARD_POLICY": "strict"})
    assert config.guard.policy_sha256 == ""
    assert policy_of(config.guard) == load_policy("strict")
    assert Config().with_policy("strict").guard == config.guard
    assert Config().with_policy(None) == Config()


def test_hosts_of_the_config_come_after_those_of_the_policy() -> None:
    config = GuardConfig(hosts=("docs.example",))
    assert policy_of(config) == replace(DEFAULT, hosts=("docs.example",))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"show": ("PHONE",)}, "guard.show: 'PHONE' is unknown; did you mean PHONE_NUMBER?"),
        ({"hosts": ("http://x.org",)}, "guard.hosts: 'http://x.org' is more than a host"),
        ({"timeout_s": 0.0}, "guard.timeout_s"),
        ({"policy": ""}, "guard.policy: must be named"),
    ],
)
def test_a_bad_setting_is_named(wrong: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError, match=said.split(":")[0]) as caught:
        GuardConfig(**wrong)  # type: ignore[arg-type]
    assert said in str(caught.value)
