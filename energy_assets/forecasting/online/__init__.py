"""What a forecast learns between two trainings, and from the newest days: weights, levels and widths that follow.

Belongs here: everything that is learned anew at each issue time from demand known by then: regressions that are updated
row by row (`ridge.py`), the weights of the members (`weights.py`), what the last days' errors say of the next day's
(`errors.py`), the widths of the bands (`bands.py`), and how they are put together (`following.py`). Nothing is stored:
the artefact and the features as of the issue time give the same bits again. Does not belong here: training.
"""
