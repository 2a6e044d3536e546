"""Words of a text: what carries topic and what does not. A leaf, shared by search and grounding."""

from __future__ import annotations

import re

# Words that carry no topic. Short on purpose: BM25 already gives common words little weight.
_STOP = (
    "a an and are as at be been but by can could did do does for from had has have how i if in is "
    "it its me my no not of on or our shall should so than that the their them then there these "
    "they this to was we were what when where which who whom whose why will with would you "
    "your"
)
STOP_WORDS = frozenset(_STOP.split())

# A word or a code: "E-42", "v1.2" and "don't" are one.
WORD = re.compile(r"[^\W_]+(?:[-./'’_:][^\W_]+)*")

# What a word or a code is made of.
PART = re.compile(r"[^\W_]+")
