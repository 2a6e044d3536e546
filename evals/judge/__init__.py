"""A language model as judge, and how far it agrees with people.

rubric, rubrics/   what is asked, fenced and hashed
material           what of a case and an outcome the judge is shown
verdict            asking, in both orders for pairs; what was asked once is kept
runs, report       a whole run or two; figures with intervals and kappa
"""
