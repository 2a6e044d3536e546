"""Texts to vectors by a model folder: the arithmetic that a CPU is best at, and what runs it."""
