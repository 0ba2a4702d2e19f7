"""What dbt says is handed on to Dagster when dbt has ended, whether well or not."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from energy_assets.defs.transformation.lineage import ended


def test_dbt_has_ended_before_its_events_are_handed_on_and_its_error_comes_last() -> None:
    told: list[int] = []

    def stream() -> Iterator[int]:
        for number in range(3):
            told.append(number)
            yield number
        raise RuntimeError("a test of dbt failed")

    events = ended(stream())
    assert told == [0, 1, 2]
    assert [next(events) for _ in told] == told
    with pytest.raises(RuntimeError, match="a test of dbt failed"):
        next(events)
