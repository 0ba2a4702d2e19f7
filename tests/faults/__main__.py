"""`python -m tests.faults`: runs the tests behind each promise and writes the table with outcomes into docs/faults.md.

The long form runs where ENERGY_SOAK_KILLS says so. Ends with 1 if a promise is broken.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

from energy_assets.settings import PROJECT_ROOT
from tests.faults.promises import PROMISES

PAGE = PROJECT_ROOT / "docs" / "faults.md"
BEGIN, END = "<!-- made by `make faults` -->", "<!-- end -->"
BROKEN = "**broken**"


def outcome(results: Sequence[Sequence[str]]) -> str:
    """What the outcomes of a promise's tests (one list per test, one entry per case) say of it."""
    if any(not cases or "failed" in cases for cases in results):
        return BROKEN
    skipped = sum(all(case == "skipped" for case in cases) for cases in results)
    said = "not tried" if skipped == len(results) else "holds"
    return f"{said}; {skipped} only in the long form" if skipped else said


def run() -> dict[str, list[str]]:
    """Outcomes of the cases of every named test."""
    names = sorted({f"tests/{test}" for promise in PROMISES for test in promise.tests})
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junitxml={report}", *names]
        subprocess.run(command, cwd=PROJECT_ROOT, check=False)
        found = defaultdict[str, list[str]](list)
        for case in ElementTree.parse(report).iter("testcase"):
            file = case.attrib["classname"].replace(".", "/").removeprefix("tests/") + ".py"
            children = {child.tag for child in case}
            result = "failed" if children & {"failure", "error"} else "skipped" if "skipped" in children else "passed"
            found[f"{file}::{case.attrib['name'].partition('[')[0]}"].append(result)
    return found


def main() -> None:
    """Runs, writes, prints."""
    found = run()
    long = int(os.environ.get("ENERGY_SOAK_KILLS", "3")) > 3
    lines = ["| fault | promised | shown by | outcome |", "|---|---|---|---|"]
    broken = []
    for promise in PROMISES:
        said = outcome([found.get(test, []) for test in promise.tests])
        shown = "<br>".join(f"`{test.partition('::')[2]}`" for test in promise.tests)
        lines.append(f"| {promise.fault} | {promise.promised} | {shown} | {said} |")
        sys.stdout.write(f"{said:30} {promise.fault}\n")
        broken += [promise.fault] if said == BROKEN else []
    form = f"long form, {os.environ['ENERGY_SOAK_KILLS']} kills" if long else "short form"
    text = PAGE.read_text()
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text("\n".join([f"{before}{BEGIN}", f"Outcomes of the {form}.", "", *lines, f"{END}{after}"]))
    sys.exit(1 if broken else 0)


if __name__ == "__main__":
    main()
