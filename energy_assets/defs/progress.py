"""What a run says on the console: a line when a step begins, one when it ends, and whatever went wrong."""

import logging
import sys
import time

import dagster as dg

DAGSTERS_OWN = ("Dependencies for step", "Running dbt command", "Finished dbt command")


class ProgressHandler(logging.Handler):
    """Prints the few events that a person waits for; Dagster keeps all of them."""

    def __init__(self) -> None:
        super().__init__()
        self._began: dict[str, float] = {}

    def emit(self, record: logging.LogRecord) -> None:
        """One line to standard error, or none."""
        line = self._line(record)
        if line:
            sys.stderr.write(line + "\n")
            sys.stderr.flush()

    def _line(self, record: logging.LogRecord) -> str | None:
        meta = getattr(record, "dagster_meta", {})
        event = meta.get("dagster_event") if isinstance(meta, dict) else None
        if event is None:
            return self._said(record, meta)
        step = event.step_key or "run"
        kind = event.event_type_value
        if kind == dg.DagsterEventType.STEP_START.value:
            self._began[step] = time.monotonic()
            return f"  > {step}"
        if kind == dg.DagsterEventType.STEP_SUCCESS.value:
            return f"  + {step} ({time.monotonic() - self._began.get(step, time.monotonic()):.1f} s)"
        if kind == dg.DagsterEventType.STEP_SKIPPED.value:
            return f"  - {step} skipped"
        if kind in (dg.DagsterEventType.STEP_FAILURE.value, dg.DagsterEventType.RUN_FAILURE.value):
            return f"  ! {step} failed\n{self._cause(event)}"
        if kind == dg.DagsterEventType.STEP_UP_FOR_RETRY.value:
            return f"  ~ {step} will be tried again"
        if kind == dg.DagsterEventType.ASSET_CHECK_EVALUATION.value:
            data = event.event_specific_data
            if not data.passed:
                return f"    check {data.asset_key.to_user_string()}:{data.check_name} {data.severity.value.lower()}"
        return None

    @staticmethod
    def _said(record: logging.LogRecord, meta: dict[str, object]) -> str | None:
        """What an asset logged. Dagster's own remarks about dbt's calls and skipped steps say nothing to a person."""
        said = str(meta.get("orig_message") or record.getMessage())
        step = str(meta.get("step_key") or "")
        if record.levelno < logging.INFO:
            return None
        if said.startswith(DAGSTERS_OWN) or (step.startswith("dbt_") and record.levelno < logging.WARNING):
            return None
        return f"    {said}"

    @staticmethod
    def _cause(event: dg.DagsterEvent) -> str:
        error = getattr(event.event_specific_data, "error", None)
        while error is not None and error.cause is not None:
            error = error.cause
        if error is None:
            return ""
        said, _, _ = error.message.partition("\n\nStack Trace:")  # DuckDB's own, of addresses
        return f"    {said.strip()}"


@dg.logger(config_schema={}, description="A line per step and per failed check.")
def progress_logger(init_context: dg.InitLoggerContext) -> logging.Logger:
    """The console logger of every run."""
    logger = logging.Logger("energy_assets.progress", level=logging.DEBUG)
    logger.addHandler(ProgressHandler())
    return logger
