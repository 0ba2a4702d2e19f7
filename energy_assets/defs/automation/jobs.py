"""What is run: loading, the whole day, the weekly training, a backtest. And what happens when a step fails."""

import http.client
import json
import urllib.error
import urllib.request

import dagster as dg

from energy_assets.settings import Settings

RETRAIN = {"ops": {"forecast_models": {"config": {"retrain": True}}}}
REPORT = {"ops": {"rolling_origin": {"config": {"report": True}}}}


@dg.failure_hook(name="report_failure")
def report_failure(context: dg.HookContext) -> None:
    """Writes a line to `logs/failures.jsonl` of the warehouse, and posts it where ENERGY_WEBHOOK_URL says."""
    settings = Settings()
    error = context.op_exception
    line = json.dumps(
        {
            "at": settings.now().isoformat(),
            "job": context.job_name,
            "run_id": context.run_id,
            "step": context.op.name,
            "error": f"{type(error).__name__}: {error}" if error else "unknown",
        }
    )
    log = settings.folder / "logs" / "failures.jsonl"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("a", encoding="utf-8") as opened:
        opened.write(line + "\n")
    if settings.webhook_url:
        unsent = post(settings.webhook_url.get_secret_value(), line)
        if unsent:
            context.log.warning(f"ENERGY_WEBHOOK_URL: {unsent}")


def post(url: str, line: str) -> str | None:
    """Sends a line of JSON; says what went wrong, and never the address, which is a secret.

    A webhook that is down must not hide the failure that it was to tell of.
    """
    if not url.lower().startswith(("http://", "https://")):
        return "an address that begins with https:// or http:// is expected; nothing was posted"
    try:
        request = urllib.request.Request(url, data=line.encode(), headers={"Content-Type": "application/json"})
        urllib.request.urlopen(request, timeout=10).close()
    except urllib.error.HTTPError as refused:
        return f"answered with status {refused.code}"
    except (OSError, ValueError, http.client.HTTPException) as failed:
        reason = getattr(failed, "reason", None)
        return f"could not be reached ({reason if isinstance(reason, OSError) else type(failed).__name__})"
    return None


def build_jobs() -> dict[str, object]:
    """The jobs by name."""
    everything = dg.AssetSelection.all()
    raw = dg.AssetSelection.groups("raw")
    backtest = dg.AssetSelection.assets(
        "forecasts/backtests", "forecasts/backtest_forecasts", "monitoring/backtest_scores", "reports/backtest"
    )
    published = dg.AssetSelection.assets("serving/energy")
    hooks = {report_failure}
    return {
        "load": dg.define_asset_job(
            "load", raw, description="Only the raw tables: whatever the sources have that is new.", hooks=hooks
        ),
        "build": dg.define_asset_job(
            "build", everything - raw, description="Everything from the raw tables to the published copy.", hooks=hooks
        ),
        "daily": dg.define_asset_job(
            "daily",
            everything,
            description="The morning run: load, build, score, flag, publish, for one issue date or a range.",
            hooks=hooks,
        ),
        "weekly_training": dg.define_asset_job(
            "weekly_training",
            everything,
            config=RETRAIN,
            description="The morning run with a challenger per kind of meter; the gate decides.",
            hooks=hooks,
        ),
        "backtest": dg.define_asset_job(
            "backtest",
            backtest | published,
            config=REPORT,
            description="An evaluation of any window, meters, issue hour and models (run config), with a report; the "
            "partition is the issue date as of which it is scored.",
            hooks=hooks,
        ),
    }
