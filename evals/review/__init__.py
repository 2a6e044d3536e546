"""Answers that people doubted, or that were sampled: looked at, decided, made into cases.

types      what an item is, and which state may follow which
store      the SQLite file beside the knowledge base
queue      reporting, deciding, promoting; sampled auditing
case       a decided item as a case of the qa suite
stand_ins  made-up names and numbers in place of people's own
"""
