"""`energy-assets tune` on a warehouse that a run has made."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner, Result

from energy_assets.cli import main
from energy_assets.forecasting.tuning import SPACES
from tests.conftest import Built
from tests.warehouses import SMALL, Folder


def tune(folder: Folder, *arguments: str) -> Result:
    with folder.environment():
        return CliRunner().invoke(main, ["tune", "--warehouse", str(folder.path), *arguments])


def test_settings_are_printed_and_every_trial_is_kept(built: Built, tmp_path: Path) -> None:
    pytest.importorskip("optuna", reason="the optional extra 'tuning' is not installed")
    kept = tmp_path / "trials.csv"
    options = ["--kind", "zone", "--model", "ridge_boosted", "--trials", "2", "--history", str(kept)]
    done = tune(built.folder, *options)
    assert done.exit_code == 0, done.output
    settings = json.loads(done.stdout)
    assert set(settings) == set(SPACES["ridge_boosted"])
    assert "with the defaults" in done.stderr
    history = pl.read_csv(kept)
    assert history.height == 2
    assert settings["ridge_alpha"] in history["ridge_alpha"].to_list()


def test_what_cannot_be_tuned_is_said(built: Built, tmp_path: Path) -> None:
    no_kind = tune(built.folder)
    assert no_kind.exit_code == 1
    assert "kinds of meters; choose --kind from: building, household" in no_kind.stderr
    other = tune(built.folder, "--kind", "submarine")
    assert "no meter of kind 'submarine'; choose --kind from: building" in other.stderr
    early = tune(built.folder, "--kind", "zone", "--as-of", "2020-01-01")
    assert "choose --kind from: none with features before that day" in early.stderr
    empty = tune(Folder.make(tmp_path / "empty", SMALL))
    assert empty.exit_code == 1
    assert "is not there yet; run `energy-assets run` first" in empty.stderr
