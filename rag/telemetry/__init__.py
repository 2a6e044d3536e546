"""Metrics and spans, made from answers when they end. No text of a question, answer or document.

Nothing is imported here: metrics bring a library, and spans another that most users never load.
"""
