"""A fleet of homes, industrial sites with machines, buildings and grid zones that behaves like a live source.

The world is a pure function of (seed, entity, time): any stretch of it can be made alone and is the same to the bit.
Belongs here: that world and when it becomes known. Does not belong here: loading it.
"""

from energy_assets.simulation.world import TABLES, description_sha256, simulate

__all__ = ["TABLES", "description_sha256", "simulate"]
