"""Peaks to come."""
