"""Reports for people: one file each, readable without a network.

Belongs here: what is shown and in which order. Does not belong here: figures (`metrics`, `forecasting`), drawing
(`plots`), Evidently's drift report (`monitoring`).
"""
