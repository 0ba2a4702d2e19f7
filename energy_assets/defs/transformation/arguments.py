"""How dbt is called: small pure functions, tested without dbt."""

import json
from datetime import timedelta

from energy_assets.config import WarehouseConfig
from energy_assets.defs.issues import Issues


def dbt_vars(config: WarehouseConfig, issues: Issues) -> dict[str, object]:
    """Variables of the dbt project for a run over `issues`: the features' window reaches back over the training days."""
    return {
        "market_timezone": config.market.timezone,
        "issue_hour": config.forecast.issue_hour,
        "issue_first_date": (issues.first - timedelta(days=config.forecast.training_days)).isoformat(),
        "issue_last_date": issues.last.isoformat(),
    }


def build_arguments(config: WarehouseConfig, issues: Issues) -> list[str]:
    """Arguments of `dbt build`: unit tests belong to the test run, not to production."""
    return [
        "build",
        "--exclude-resource-type",
        "unit_test",
        "--vars",
        json.dumps(dbt_vars(config, issues), sort_keys=True),
    ]
