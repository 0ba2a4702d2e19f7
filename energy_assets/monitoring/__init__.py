"""What went wrong, what changed, and how good the forecasts were: anomalies, drift, scores.

Belongs here: methods over frames that write rows of the schema `monitoring`. Does not belong here: forecasting, or the
decision what to do about a finding.
"""
