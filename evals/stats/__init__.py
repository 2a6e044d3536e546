"""Figures and how sure they are. Pure: numbers in, numbers out.

tables, weighted              scores as columns; metrics under many weightings at once
bootstrap, intervals, estimate   from a metric to a figure with its 95 % interval
pairing, randomise            two runs side by side; tests of their difference
ranking, text, agreement      one ranking, one answer, two judges
curves                        points for pictures
"""
