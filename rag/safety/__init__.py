"""Safety: filters find spans, a policy decides, the guard redacts or blocks, the stream holds back.

Nothing is imported here: the filters bring heavy libraries, the guard and the stream do not.
"""
