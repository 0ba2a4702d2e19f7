"""The search for settings: repeatable, never worse than the defaults on its windows, blind to what comes after."""

from __future__ import annotations

import sys
from importlib import import_module

import polars as pl
import pytest

from energy_assets.forecasting import NotEnoughHistory
from energy_assets.forecasting.contenders import CONTENDERS, trees
from energy_assets.forecasting.tuning import SPACES, Range, Tuned, _defaults, tune
from tests.unit.forecasting.frames import DAY, START
from tests.unit.forecasting.shared import AS_OF, zone_frame

pytest.importorskip("optuna", reason="the optional extra 'tuning' is not installed")


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """A space of small models around a poor default."""
    monkeypatch.setitem(trees.BOOSTED, "trees", 6)
    space = {"trees": Range(5, 40, log=True, whole=True), "learning_rate": Range(0.05, 0.3, log=True)}
    monkeypatch.setitem(SPACES, "lightgbm", space)  # type: ignore[arg-type]


def found(frame: pl.DataFrame, seed: int = 7, trials: int = 4) -> Tuned:
    return tune(frame, kind="zone", as_of=AS_OF, trials=trials, seed=seed, name="lightgbm")


@pytest.mark.usefixtures("small")
def test_the_defaults_come_first_and_the_best_is_given_back() -> None:
    said: list[str] = []
    result = tune(zone_frame(), kind="zone", as_of=AS_OF, trials=4, seed=7, name="lightgbm", said=said.append)
    assert result.history.columns == ["trial", "error", "trees", "learning_rate"]
    assert result.history["trial"].to_list() == [0, 1, 2, 3]
    assert result.history.row(0)[2:] == (6, 0.05)
    assert result.default_error == result.history["error"][0]
    assert result.error == result.history["error"].min()
    assert result.error < 0.9 * result.default_error
    best = result.history.filter(pl.col("error") == result.error).row(0, named=True)
    assert result.settings == {"trees": best["trees"], "learning_rate": best["learning_rate"]}
    assert len(said) == 4


@pytest.mark.usefixtures("small")
def test_the_same_arguments_give_the_same_settings() -> None:
    first, second, other = found(zone_frame()), found(zone_frame()), found(zone_frame(), seed=8)
    assert first.history.equals(second.history)
    assert not first.history.equals(other.history)


@pytest.mark.usefixtures("small")
def test_nothing_known_later_is_looked_at() -> None:
    late = (pl.col("label_known_at_utc") > AS_OF) | (pl.col("issued_at_utc") >= AS_OF)
    poisoned = zone_frame().with_columns(
        pl.when(late).then(1e9).otherwise("demand_kwh").alias("demand_kwh"),
        pl.when(late).then(-99.0).otherwise("temperature_c").alias("temperature_c"),
    )
    assert found(poisoned, trials=2).history.equals(found(zone_frame(), trials=2).history)


def test_the_production_model_can_be_tuned() -> None:
    result = tune(zone_frame(), kind="zone", as_of=AS_OF, trials=1, seed=7)
    assert result.error == result.default_error
    assert set(result.settings) == set(SPACES["demand_blend"])


@pytest.mark.parametrize("name", SPACES)
def test_the_defaults_lie_in_the_space(name: str) -> None:
    if name == "sequence":
        pytest.importorskip("torch", reason="the optional extra 'deep' is not installed")
    if name != "demand_blend":
        import_module(f"energy_assets.forecasting.contenders.{CONTENDERS[name]}")
    defaults = _defaults(name)
    for setting, space in SPACES[name].items():
        assert space.low <= defaults[setting] <= space.high, setting
        assert not space.whole or defaults[setting] == int(defaults[setting]), setting


def test_what_cannot_be_done_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    frame = zone_frame()
    with pytest.raises(ValueError, match="nothing of 'seasonal_naive' can be tuned; there are demand_blend, lightgbm"):
        tune(frame, kind="zone", as_of=AS_OF, trials=2, seed=7, name="seasonal_naive")
    with pytest.raises(ValueError, match="0 trials were asked for; at least 1 is needed"):
        tune(frame, kind="zone", as_of=AS_OF, trials=0, seed=7)
    with pytest.raises(NotEnoughHistory, match="load an older history"):
        tune(frame, kind="zone", as_of=START, trials=2, seed=7)
    with pytest.raises(NotEnoughHistory, match="too few to forecast a window"):
        tune(frame, kind="zone", as_of=START + 20 * DAY, trials=2, seed=7)
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(ImportError, match=r"pip install 'energy-assets\[tuning\]'"):
        tune(frame, kind="zone", as_of=AS_OF, trials=2, seed=7)
