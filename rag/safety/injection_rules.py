"""Phrases that address the assistant in order to take it over. Each row is one family.

They are written to be rare in honest documents: "ignore this warning", "the previous instructions
apply" or a manual's "you must act as administrator" do not match.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_PRIOR = (
    r"(?:previous|prior|above|preceding|earlier|existing|original|initial|former|foregoing|system"
    r"|developer|safety|built-in|your|my|these|those|all|any|every(?:thing)?|the|of|other|given"
    r"|current|past|standing|default|prompt'?s?|and|or|safeguards?)"
)
_ORDERS = (
    r"(?:instructions?|directions?|directives?|prompts?|orders|guidelines|programming|guardrails|"
    r"system messages?|constraints|restrictions|training|commands)"
)
_SYSTEM = r"(?:system|initial|hidden|secret|original|base|developer|starting|pre)[ -]?"


@dataclass(frozen=True, slots=True)
class InjectionRule:
    """One family of attacks. `score` is how sure a match is."""

    name: str
    pattern: re.Pattern[str]
    score: float

    def find(self, text: str) -> Iterator[tuple[int, int]]:
        for match in self.pattern.finditer(text):
            yield match.start(), match.end()


def _rule(name: str, pattern: str, score: float = 0.95) -> InjectionRule:
    return InjectionRule(name, re.compile(rf"(?i){pattern}"), score)


RULES: tuple[InjectionRule, ...] = (
    _rule(
        "override",
        r"(?<!not )(?<!n't )(?<!n’t )(?<!never )\b(?:ignore|disregard|forget|override|overrule|"
        r"bypass|neglect|discard|overlook|dismiss|"
        r"do not (?:follow|obey)|don't (?:follow|obey)|stop (?:following|obeying))\s+"
        rf"(?:(?:about|to|with)\s+)?(?:{_PRIOR}\s+){{1,6}}{_ORDERS}\b"
        r"(?!\s+(?:on|in|from) (?:the|your) (?:screen|label|package|manual|box))",
    ),
    _rule(
        "override",
        r"\b(?:ignore|disregard|forget|discard)\s+(?:about\s+)?(?:all|everything|anything|whatever|"
        r"what(?:ever)?)\s+(?:(?:of|that|which|you|i|we|has|have|been|was|were|is|just|had|'ve|"
        r"(?:you|i|we)['’]?(?:ve|re|d)?|the)\s+){0,5}(?:above|before|previous(?:ly)?|prior|said|"
        r"told|told you|learned|know|so far|earlier|instructed|written)\b",
    ),
    _rule(
        "override",
        r"\b(?:vergiss|ignorier\w*|missachte)\b.{0,40}\b(?:anweisung\w*|instruktion\w*|befehl\w*|davor"
        r"|oben|vorherig\w*|aufgaben?)\b"
        r"|\b(?:ignore[zr]?|oublie[zr]?)\b.{0,20}\b(?:les|vos|tes|ces)\b.{0,30}\b(?:instructions|consignes)\b"
        r"|\b(?:ignora|olvida)\b.{0,30}\b(?:instrucciones|órdenes|istruzioni)\b",
    ),
    _rule(
        "new orders",
        r"\b(?:new|updated|real|actual|true|revised) (?:system )?(?:instructions?|prompt|"
        r"directives?|orders|task)\s*"
        r"(?:from (?:the )?(?:admin\w*|developer|system|user|openai|anthropic))?\s*:"
        r"\s*(?:you|ignore|from now|do not|reveal|print|say|respond|reply|answer|output|send)\b",
        0.9,
    ),
    _rule(
        "reveal prompt",
        r"\b(?:reveal|show|print|repeat|output|display|leak|tell|give|write|disclose|share|expose|"
        r"recite|dump|return|spell|summari[sz]e|translate|encode)\b(?:\s+\w+){0,3}?\s+(?:me\s+)?"
        rf"(?:your|the|all|its)\s+(?:\w+\s+){{0,2}}?(?:{_SYSTEM}(?:prompt|instructions?|message)|"
        r"(?:confidential|secret|hidden) (?:prompt|instructions|rules)|prompt verbatim)",
        0.92,
    ),
    _rule(
        "reveal prompt",
        r"\b(?:what (?:is|was|were|are)|what's) (?:written )?(?:in )?your (?:\w+ )?"
        rf"(?:{_SYSTEM}(?:prompt|instructions)|initial prompt|exact instructions)\b"
        r"|\b(?:repeat|print|output|write out) (?:everything|all(?: of)?(?: the)?(?: text| words)?)"
        r" (?:above|before this)",
        0.9,
    ),
    _rule(
        "persona",
        r"\b(?:you are|you're|act as|become|pretend (?:to be|you are)|simulate|roleplay as|enter)"
        r" (?:now )?(?:(?:in|a|an|the|called|named) ){0,2}[\"'“]?(?:DAN\b|do anything now|"
        r"(?:evil|unfiltered|uncensored|unrestricted|jailbroken|amoral|lawless)\W+"
        r"(?:\w+\W+){0,2}(?:ai|assistant|bot|chatbot|model|gpt|version|character|language)|"
        r"(?:developer|dev|god|jailbreak|sudo|debug|DAN) mode\b)",
    ),
    _rule(
        "persona",
        r"\byou (?:are|have been) (?:now )?(?:free|freed|liberated|released|unbound|not bound|"
        r"no longer bound)\s+(?:from|of|by)\s+(?:\w+\s+){0,4}?(?:rules|restrictions|guidelines|"
        r"limitations|polic(?:y|ies)|constraints|confines|filters|chains)\b"
        r"|\b(?:stay in character|remain in character).{0,80}\b(?:no (?:restrictions|rules|filters|"
        r"limits)|never refuse|cannot refuse)\b|\bdo anything now\b",
    ),
    _rule(
        "persona",
        r"\b(?:respond|answer|reply|act|behave|operate|speak)\b.{0,40}\bwithout (?:any )?"
        r"(?:ethical|moral|content|safety|legal) (?:or \w+ )?(?:restrictions?|guidelines?|"
        r"filters?|limits?|limitations?|constraints?|considerations?|polic(?:y|ies)|concerns?)\b",
        0.9,
    ),
    _rule(
        "chat markup",
        r"<\|(?:im_start|im_end|system|user|assistant|endoftext|eot_id|start_header_id|"
        r"end_header_id)\|>|\[/?INST\]|<<\/?SYS>>|<\/?(?:system|assistant)_?(?:prompt|message)?>"
        r"\s*(?:you|ignore|new|from|do)\b|(?:^|\n)\s*#{2,3}\s*(?:system|assistant)\s*:\s*\S",
        0.9,
    ),
    _rule(
        "exfiltration",
        r"!?\[[^\]\n]{0,200}\]\(\s*https?://[^)\s]{1,300}[?&][\w.-]{1,40}=[^)\s]{0,200}"
        r"(?:\{|%7B|<|\[|\$)[^)\n]{0,100}\)?",
        0.9,
    ),
    _rule(
        "exfiltration",
        r"!\[[^\]\n]{0,200}\]\(\s*https?://[^)\s?]{1,300}\?[^)\s=]{0,60}(?:data|q|secret|token|leak|"
        r"exfil|prompt|chat|history|conversation|password|key|payload|msg|info)=[^)\s]{0,500}\)?",
        0.9,
    ),
    _rule(
        "exfiltration",
        r"\b(?:send|post|forward|email|e-mail|upload|transmit|exfiltrate|leak)\b.{0,60}"
        r"\b(?:conversation|chat history|(?:user|system)(?:'s)? (?:prompt|data|messages?|question)|"
        r"(?:api|access) keys?|credentials|passwords)\b.{0,40}\bto\b.{0,20}(?:https?://|[\w.+-]+@)",
        0.9,
    ),
    _rule(
        "remote order",
        r"\b(?:when(?:ever)?|if|once) (?:the |a |any )?(?:user|reader|human|person|someone|"
        r"anyone|they)"
        r" (?:\w+ ){0,3}?asks?\b.{0,80}?[,:;]? (?:then )?(?:always )?"
        r"(?:you (?:must|should|will|are to)"
        r"|answer|respond with|reply with|say that|tell them that|claim|output)\b"
        r"(?=.{0,120}(?:always|instead|regardless|must|only|never|[\"'“]))",
        0.75,
    ),
    _rule(
        "remote order",
        r"\b(?:note|message|attention|instructions?|notice|important|reminder)\b.{0,20}?\b(?:to|for)"
        r" (?:the |any |all )?(?:ai|llm|language model|chatbot|assistant|model|gpt|bot)s?"
        r"(?: (?:assistants?|models?|agents?|systems?))?(?: reading this| processing this)?"
        r"\s*[:,-]",
        0.85,
    ),
    _rule(
        "remote order",
        r"\b(?:ai|llm|language model|chatbot|assistant)s? (?:model |agent )?(?:reading|processing|"
        r"summari[sz]ing|that reads?|who reads?) (?:this|the) (?:\w+ )?(?:must|should|shall"
        r"|is to|are to)",
        0.85,
    ),
)
