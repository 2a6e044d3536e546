"""The HTTP API: one answer per question, to whoever holds a key. Decides who may ask, and when."""
