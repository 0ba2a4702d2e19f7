"""What loading the code location may import: the UI and every process of a step wait for it."""

from __future__ import annotations

import os
import subprocess
import sys

from energy_assets.settings import PROJECT_ROOT
from tests.warehouses import NOW, Folder

# Installed packages that `energy_assets.definitions` names itself, at the top of its modules.
OURS = {
    "click", "dagster", "dagster_dbt", "duckdb", "holidays", "numpy", "packaging", "polars", "psutil", "pydantic",
    "pydantic_settings", "threadpoolctl", "yaml",
}  # fmt: skip
# What these bring. A new name is a reason to look at what it costs, not to add it.
THEIRS = {
    "agate", "annotated_types", "attr", "attrs", "babel", "certifi", "charset_normalizer", "colorama", "coloredlogs",
    "cython_runtime", "dagster_pipes", "dagster_shared", "dateutil", "dbt", "dbt_common", "dbt_extractor",
    "dbt_semantic_interfaces", "dbtlabs", "docstring_parser", "dotenv", "dsi_pydantic_shim", "filelock", "google",
    "grpc", "grpc_health", "humanfriendly", "idna", "isodate", "jinja2", "jsonschema", "jsonschema_specifications",
    "leather", "markupsafe", "mashumaro", "msgpack", "mypy_extensions", "networkx", "opentelemetry", "orjson",
    "parsedatetime", "pathspec", "pydantic_core", "pytimeparse", "pytz", "referencing", "requests", "rpds", "six",
    "slugify", "snowplow_tracker", "sqlglot", "sqlglotrs", "toposort", "typing_extensions", "typing_inspection",
    "tzdata", "urllib3",
}  # fmt: skip
IMPORTED = """
import sys
from energy_assets.definitions import definitions
definitions()
print(*sorted({m.partition(".")[0] for m in sys.modules} - set(sys.stdlib_module_names) - {"energy_assets"}))
"""


def test_definitions_import_nothing_heavy(definitions_folder: Folder) -> None:
    """LightGBM, scikit-learn, scipy, pandas, matplotlib, Evidently … wait until a step needs them."""
    with definitions_folder.environment(NOW):
        unmeasured = {name: value for name, value in os.environ.items() if not name.startswith("COV_")}
        done = subprocess.run(
            [sys.executable, "-c", IMPORTED], cwd=PROJECT_ROOT, env=unmeasured, capture_output=True, text=True,
            check=False,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    # compiled parts of packages and finders of editable installs have names that begin with an underscore
    found = {name for name in done.stdout.split() if not name.startswith("_")}
    assert found - OURS - THEIRS == set()
    assert OURS - found == set(), "no longer imported: take it from the list"
