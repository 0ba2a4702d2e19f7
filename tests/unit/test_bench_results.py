"""What `make bench` keeps: rows measured again in the place of those that stand, the others as they are."""

from __future__ import annotations

from pathlib import Path

from tests.bench.results import MARK, Row, keep, read


def row(name: str, value: float, group: str = "load") -> Row:
    return Row(name, value, 2.0, 3.0, group, f"make bench BENCH='--only {group}'")


def test_a_row_measured_again_takes_the_place_of_the_one_that_stands(tmp_path: Path) -> None:
    file, page = tmp_path / "results.json", tmp_path / "page.md"
    page.write_text(f"# By hand\n{MARK}\nolder tables\n")
    keep([row("raw", 1.0), row("marts", 2.0), row("next day", 9.0, "others")], file, page)
    keep([row("raw", 1.5), row("profiles", 3.0), row("marts", 8.0)], file, page)

    assert [(r.name, r.value, r.met) for r in read(file)] == [
        ("raw", 1.5, True), ("profiles", 3.0, True), ("marts", 8.0, False), ("next day", 9.0, False),
    ]  # fmt: skip
    written = page.read_text()
    assert written.startswith(f"# By hand\n{MARK}\n")
    assert "older tables" not in written
    assert (
        written.index("## load")
        < written.index("| profiles | 3 s | 2 | 1.5 | 3 | reached |")
        < written.index("## others")
    )


def test_rows_of_a_group_that_were_not_measured_again_stay_behind_those_that_were(tmp_path: Path) -> None:
    file, page = tmp_path / "results.json", tmp_path / "page.md"
    keep([row("mlforecast", 300.0), row("openstef", 900.0)], file, page)
    keep([row("mlforecast", 200.0), row("ours", 20.0)], file, page)
    assert [(r.name, r.value) for r in read(file)] == [("mlforecast", 200.0), ("ours", 20.0), ("openstef", 900.0)]
