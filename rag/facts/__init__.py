"""Facts on the surface of a text: numbers, dates, names and quotations, each in one form.

Deterministic: no model is asked. `rag.facts.unfounded` says which of a sentence stand in no source.
"""
