"""The network and its ONNX form say the same."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from energy_assets.forecasting.contenders.learning import known_rows
from energy_assets.forecasting.contenders.windows import lay_out
from tests.unit.forecasting.shared import AS_OF, zone_frame

WHY = "the optional extra 'deep' is not installed"
torch = pytest.importorskip("torch", reason=WHY)
pytest.importorskip("onnxscript", reason=WHY)
onnxruntime = pytest.importorskip("onnxruntime", reason=WHY)
sequence = pytest.importorskip("energy_assets.forecasting.contenders.sequence")


def test_onnx_runtime_gives_the_networks_numbers_for_any_number_of_issues() -> None:
    known = known_rows(zone_frame(), kind="zone", as_of=AS_OF)
    assert known is not None
    names = known.columns.names
    width = sequence.covariates(known.matrix, names).shape[1]
    layout = lay_out(known.rows)
    inputs = sequence.Sequence(b"", known.columns, np.zeros(width), np.ones(width)).inputs(
        known.rows, layout, zone_frame()
    )
    spread = float(np.std(known.target - sequence.usual_ratio(known.matrix, names)))
    settings = {**sequence.NETWORK, "epochs": 2, "channels": 8, "hidden": 16}
    target, ones = layout.spread(known.target), layout.spread(np.ones(known.rows.height))
    first, second = (sequence.train(inputs, target, ones, spread, 7, settings) for _ in range(2))
    onnx = sequence.to_onnx(first, inputs)
    for issues in (1, 5, layout.issues.height):
        part = tuple(a[:issues] for a in inputs)
        with torch.no_grad():
            said, again = (network(*(torch.from_numpy(a) for a in part)).numpy() for network in (first, second))
        assert np.array_equal(said, again)
        assert np.allclose(sequence.run(onnx, part), said, atol=1e-5)
        assert (np.diff(said, axis=-1) > 0).all()


def test_the_file_holds_the_weights_and_names_its_inputs() -> None:
    rows = zone_frame().filter(pl.col("issued_at_utc") <= AS_OF)
    fitted = sequence.fit_sequence(rows, kind="zone", as_of=AS_OF, seed=7, epochs=1, channels=8, hidden=16)
    session = onnxruntime.InferenceSession(fitted.model.onnx)
    assert {i.name for i in session.get_inputs()} == set(sequence.INPUTS)
