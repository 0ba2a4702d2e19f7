"""Drift: whether the models' world has changed."""

from energy_assets.monitoring.drift.explain import Verdict, drift_scores, learned_threshold, verdict

__all__ = ["Verdict", "drift_scores", "learned_threshold", "verdict"]
