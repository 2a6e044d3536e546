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
# Verb, then noun: "ne les oubliez pas" and its like are honest.
_OVERRIDES_ABROAD = (
    r"\b(?:vergiss|vergesst|vergessen sie|ignorier(?:e|t|en sie)?|missachte)\b(?!.{0,30}\bnicht\b)"
    r".{0,40}\b(?:anweisung|instruktion|befehl|vorgabe|davor|oben|vorherig|bisherig|aufgabe)"
    r"\w{0,6}\b",
    r"\b(?:ignore|ignorez|oublie|oubliez|ne (?:tiens|tenez) pas compte)\b(?! (?:pas|jamais)\b)"
    r".{0,20}\b(?:les|vos|tes|ces|des)\b.{0,15}\b(?:instructions|consignes|règles|directives)\b"
    r"|\b(?:oublie|oubliez|ignorez|ne (?:tiens|tenez) pas compte)\b.{0,10}\bce qui précède\b",
    r"(?<!no )\b(?:ignora|ignore|ignorad|olvida|olvide|olvidad|no hagas? caso)\b.{0,30}"
    r"\b(?:instrucciones|órdenes|indicaciones|reglas anteriores|lo anterior)\b",
    r"(?<!non )\b(?:ignora|ignorate|dimentica|dimenticate)\b.{0,30}"
    r"\b(?:istruzioni|indicazioni|regole precedenti|direttive)\b",
    r"(?<!não )\b(?:ignore|ignora|esqueça|esquece|desconsidere)\b.{0,30}"
    r"\b(?:instruções|orientações|regras anteriores|o texto acima)\b",
    r"\b(?:vergeet|negeer)\b(?!.{0,40}\bniet\b).{0,30}\b(?:instructies|opdrachten|aanwijzingen)\b",
    r"(?<!nie )\b(?:zapomnij|zignoruj|ignoruj)\b.{0,40}"
    r"\b(?:instrukcj|polece|zasad|wskazów)\w{1,6}\b",
    r"(?<!не )\b(?:забудь|забудьте|игнорируй|игнорируйте)\b.{0,40}"
    r"\b(?:инструкци|указани|правил|команд)\w{1,4}\b",
    r"(?<!ne )\b(?:zaboravi|zaboravite|zanemari|zanemarite|ignoriraj|ignoriši)\b.{0,30}"
    r"\b(?:upute|uputstva|instrukcije|naredbe)\b",
    r"\b(?:talimat|komut)\w{1,10}\b.{0,20}\b(?:unut|unutun|yok say|görmezden gel)\b",
    r"(?<!不要)(?<!请勿)(?<!不能)(?:忽略|忘记|忘掉|无视|不要理会).{0,12}(?:指令|指示|提示词|命令|规则)",
    r"(?:指示|命令|ルール|プロンプト).{0,8}(?:無視し(?!ない)|無視せよ|忘れて(?!は))",
    r"(?:지시|명령|규칙|프롬프트).{0,10}(?:무시하고|무시해|잊어|잊고)",
    r"(?:تجاهل|انس[َى]?)\s.{0,25}(?:التعليمات|الأوامر|القواعد)",
)
_UNBOUND_ABROAD = (
    r"\b(?:ab jetzt|von nun an|ab sofort) (?:bist|spielst|antwortest|sprichst) du\b.{0,60}"
    r"\b(?:ohne|keine)\b.{0,15}\b(?:regel|einschränkung|grenze|filter|zensur)\w{0,3}\b",
    r"\b(?:à partir de maintenant|désormais),? (?:tu es|vous êtes|tu réponds)\b.{0,60}"
    r"\b(?:sans|aucune?)\b.{0,15}\b(?:règles?|limites?|filtres?|restrictions?|censure)\b",
    r"\b(?:a partir de|desde) ahora,? (?:eres|serás|actúa)\b.{0,60}"
    r"\bsin\b.{0,15}\b(?:reglas|límites|filtros|restricciones|censura)\b",
    r"\b(?:d'ora in poi|da adesso),? (?:sei|sarai|rispondi)\b.{0,60}"
    r"\bsenza\b.{0,15}\b(?:regole|limiti|filtri|restrizioni|censura)\b",
    r"\ba partir de agora,? (?:você é|és|aja)\b.{0,60}"
    r"\bsem\b.{0,15}\b(?:regras|limites|filtros|restrições|censura)\b",
    r"\b(?:с этого момента|отныне|теперь) ты\b.{0,60}\bбез\b.{0,15}"
    r"\b(?:правил|ограничений|цензуры|фильтров)\b",
    r"从现在(?:起|开始).{0,3}你.{0,30}没有.{0,6}(?:规则|限制|约束)",
)


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
    *(_rule("override", pattern) for pattern in _OVERRIDES_ABROAD),
    *(_rule("persona", pattern, 0.9) for pattern in _UNBOUND_ABROAD),
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
    _rule(
        "remote order",
        r"\bif you(?:'re| are) (?:an?|the) (?:\w{1,12} )?(?:ai|llm|language model|chatbot|bot)"
        r"(?: (?:assistant|model|agent|system|bot|reviewer))?"
        r"(?: (?:reading|processing|summari[sz]ing|screening|reviewing|parsing|scanning)"
        r"[^,.:\n]{0,40})?\s{0,2}[,:]",
        0.85,
    ),
    _rule(
        "remote order",
        r"\b(?:do not|don't|never) (?:tell|mention|reveal|show|disclose|repeat|quote)\b[^.\n]{0,20}"
        r"\bthis (?:instruction|message|note|paragraph|prompt|text|line|sentence)\b[^.\n]{0,30}"
        r"\b(?:user|human|reader)\b",
        0.85,
    ),
    _rule(
        "break-out",
        r"</(?:passages?|context|documents?|sources?|user_input|user|data|question)>\s{0,5}"
        r"[\W_]{0,8}(?:system|ignore|disregard|forget|new instructions?|assistant|from now on"
        r"|you must)\b",
        0.9,
    ),
    _rule(
        "break-out",
        r"\bend of (?:the )?(?:documents?|context|user input|prompt|passages?|input|data)\b"
        r"\W{0,20}(?:now ignore|system|ignore|disregard|forget|new (?:instructions?|task)"
        r"|from now on|you (?:must|are now|will now))\b",
        0.9,
    ),
    _rule(
        "reveal prompt",
        r"\b(?:words|text|everything) above(?: this)?,? (?:starting|beginning) (?:with|from)\b",
        0.9,
    ),
)
