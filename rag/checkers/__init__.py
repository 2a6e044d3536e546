"""Checkers by name, beside the shipped one of `rag.grounding`: all give `Support` for claims.

names              what `grounding.checker` may say
claims             what every checker shares: claims, evidence, failures
pairs, windows     source against claim, by windows where the source is long
spans              the whole answer at once, token by token
judge              an engine asked by a strict template
templates          what each published model is given to read, and where that is written
cached             nothing is judged twice
local, hub, readers, span_reader   published models on this machine; the rooms of torch
"""
