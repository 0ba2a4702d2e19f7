"""The one entry point that Dagster loads: the graph of the warehouse that `ENERGY_WAREHOUSE` names.

Definitions are built when they are asked for; importing this module reads nothing.
"""

from __future__ import annotations

import dagster as dg

from energy_assets.config import load_config
from energy_assets.defs.automation.jobs import build_jobs
from energy_assets.defs.automation.schedules import build_landing_sensor, build_schedules
from energy_assets.defs.flexibility.advice import build_advice
from energy_assets.defs.flexibility.outcomes import build_outcomes
from energy_assets.defs.flexibility.peaks import build_peaks
from energy_assets.defs.forecasting.backtest import build_backtest
from energy_assets.defs.forecasting.forecasts import build_forecasts
from energy_assets.defs.forecasting.intervals import build_interval_forecasts
from energy_assets.defs.forecasting.models import build_models
from energy_assets.defs.forecasting.profiles import build_profiles
from energy_assets.defs.forecasting.scenarios import build_scenarios
from energy_assets.defs.ingestion.raw_tables import build_raw_tables
from energy_assets.defs.issues import daily_partitions
from energy_assets.defs.monitoring.anomalies import build_anomalies
from energy_assets.defs.monitoring.drift import build_drift
from energy_assets.defs.monitoring.freshness import build_freshness_checks
from energy_assets.defs.monitoring.scores import build_scores
from energy_assets.defs.progress import progress_logger
from energy_assets.defs.publishing.serving import build_serving
from energy_assets.defs.resources import WarehouseResource
from energy_assets.defs.transformation.dbt_models import LocalDbt, build_dbt_models
from energy_assets.settings import DBT, DBT_PROJECT_DIR, Settings
from energy_assets.warehouse.publishing import SCHEMAS


@dg.definitions
def definitions() -> dg.Definitions:
    """Assets, checks, jobs, automation and resources."""
    settings = Settings()
    config = load_config(settings.sources_file)
    timezone = config.market.timezone
    partitions = daily_partitions(settings)
    assets = [
        build_raw_tables(partitions),
        *build_dbt_models(timezone),
        build_profiles(partitions),
        build_models(partitions),
        build_forecasts(partitions, timezone),
        build_interval_forecasts(partitions),
        build_backtest(partitions),
        build_scenarios(partitions),
        build_peaks(partitions, timezone),
        build_advice(partitions, timezone),
        build_outcomes(partitions),
        build_anomalies(partitions, timezone),
        build_drift(partitions),
        build_scores(partitions),
    ]
    published = {key for a in assets for key in a.keys if key.path[0] in SCHEMAS}
    jobs = build_jobs()
    return dg.Definitions(
        assets=[*assets, build_serving(published, timezone)],
        asset_checks=build_freshness_checks(),
        jobs=list(jobs.values()),  # type: ignore[arg-type]
        schedules=build_schedules(config, jobs),
        sensors=[build_landing_sensor(config, jobs)],
        resources={
            "energy": WarehouseResource(),
            "dbt": LocalDbt(project_dir=str(DBT_PROJECT_DIR), profiles_dir=str(DBT_PROJECT_DIR), dbt_executable=DBT),
        },
        executor=dg.multiprocess_executor if settings.executor == "multiprocess" else dg.in_process_executor,
        loggers={"console": progress_logger},
    )
