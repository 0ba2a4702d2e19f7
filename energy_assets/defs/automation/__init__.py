"""Jobs, schedules, sensors, hooks."""
