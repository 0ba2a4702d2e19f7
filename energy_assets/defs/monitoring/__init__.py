"""Anomalies, drift, scores."""
