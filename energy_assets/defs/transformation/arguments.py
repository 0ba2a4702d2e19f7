"""How dbt is called: small pure functions, tested without dbt."""

from datetime import timedelta
from pathlib import Path

from energy_assets.config import WarehouseConfig
from energy_assets.defs.issues import Issues
from energy_assets.forecasting.features import FEW_METERS


def dbt_environment(
    config: WarehouseConfig, issues: Issues, database: Path, *, tested_load: int = -1
) -> dict[str, str]:
    """What the project's `run_setting` and profile read; the features' window reaches back over the training days.

    Tables that grow with the history are tested where a load newer than `tested_load` changed them; -1: everywhere.
    """
    learned = config.forecast
    first = issues.first - timedelta(days=learned.training_days)
    whole, judged = (issues.first - timedelta(days=days) for days in (learned.whole_days, learned.judged_days))
    return {
        "ENERGY_DATABASE": str(database),
        "ENERGY_DBT_MARKET_TIMEZONE": config.market.timezone,
        "ENERGY_DBT_ISSUE_HOUR": str(issues.issue_hour),
        "ENERGY_DBT_ISSUE_FIRST_DATE": first.isoformat(),
        "ENERGY_DBT_ISSUE_LAST_DATE": issues.last.isoformat(),
        "ENERGY_DBT_ISSUE_WHOLE_DATE": whole.isoformat(),
        "ENERGY_DBT_ISSUE_JUDGED_DATE": judged.isoformat(),
        "ENERGY_DBT_TRAINING_DAYS": str(learned.training_days),
        "ENERGY_DBT_FEW_METERS": str(FEW_METERS),
        "ENERGY_DBT_TRAINING_METER_DAYS": str(learned.training_meter_days),
        "ENERGY_DBT_EVALUATION_METERS": str(learned.evaluation_meters),
        "ENERGY_DBT_TESTED_LOAD": str(tested_load),
        # A test that spans both steps would fail in the first.
        "DBT_INDIRECT_SELECTION": "cautious",
    }


def build_arguments(*, full_refresh: bool = False) -> list[str]:
    """Arguments of `dbt build`: unit tests belong to the test run, not to production."""
    return ["build", "--exclude-resource-type", "unit_test", *(["--full-refresh"] if full_refresh else [])]
