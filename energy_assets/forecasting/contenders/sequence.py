"""A temporal convolutional network over the last two weeks and the day ahead: the optional extra `deep`.

Belongs here: its network, its fit with PyTorch, its forecasts with ONNX Runtime. Does not belong here: arrays
(`windows.py`), which rows count (`learning.py`).

Causal dilated convolutions (Bai, Kolter and Koltun, 2018) read the hours that were known at issue time; what they make
of them and the features of each hour of the next day give its quantiles. Trained with the pinball loss; quantiles are
the median and positive steps away from it, so they never cross.
"""

from __future__ import annotations

import io
import logging
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import onnxruntime
import polars as pl
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from energy_assets.forecasting.contenders import FORECAST_COLUMNS, Fitted
from energy_assets.forecasting.contenders.bands import banded
from energy_assets.forecasting.contenders.learning import Columns, known_rows, settled, speakable
from energy_assets.forecasting.contenders.reference import Naive
from energy_assets.forecasting.contenders.windows import PAST_HOURS, Layout, lay_out, past_hours
from energy_assets.forecasting.features import Matrix, from_log_ratio, recent_level
from energy_assets.forecasting.linear import LIMIT, linear_columns
from energy_assets.forecasting.models import MEDIAN, QUANTILES, reference_ratio

NETWORK = {"channels": 32, "hidden": 96, "dropout": 0.1, "epochs": 60, "learning_rate": 3e-3, "weight_decay": 1e-2}
DEFAULTS = {"sequence": NETWORK}
KERNEL, DILATIONS = 4, (1, 4, 16, 64)  # the last step sees 256 hours
BATCH = 32  # issue days
INPUTS = ("past", "ahead", "usual")

Array = NDArray[np.float32]


@dataclass(frozen=True)
class Sequence:
    """A network as ONNX, and what its inputs were made by."""

    onnx: bytes
    columns: Columns
    mean: Matrix
    scale: Matrix

    def forecast(self, due: pl.DataFrame, history: pl.DataFrame) -> pl.DataFrame:
        """See `Fitted`. Rows of meters without a known level get the seasonal naive value at every quantile."""
        rows, others = speakable(due)
        naive = Naive().forecast(others, history).drop("quantile")
        parts = [naive.join(pl.DataFrame({"quantile": QUANTILES}), how="cross").select(FORECAST_COLUMNS)]
        if rows.height:
            layout = lay_out(rows)
            said = run(self.onnx, self.inputs(rows, layout, history))
            level = rows.select(recent_level().cast(pl.Float64)).to_numpy()
            values = from_log_ratio(layout.gather(said), level, self.columns.offset)
            wide = rows.hstack(pl.DataFrame(values, schema=[str(q) for q in QUANTILES]))
            parts.append(
                wide.unpivot(
                    [str(q) for q in QUANTILES],
                    index=FORECAST_COLUMNS[:4],
                    variable_name="quantile",
                    value_name="demand_kwh",
                )
                .with_columns(pl.col("quantile").cast(pl.Float64))
                .select(FORECAST_COLUMNS)
            )
        return pl.concat(parts)

    def inputs(self, rows: pl.DataFrame, layout: Layout, history: pl.DataFrame) -> tuple[Array, Array, Array]:
        """Past hours, features of the hours ahead, and their usual log ratios, by issue."""
        matrix = self.columns.matrix(rows)
        ahead = np.nan_to_num((covariates(matrix, self.columns.names) - self.mean) / self.scale)
        return (
            past_hours(layout.issues, history, offset=self.columns.offset),
            layout.spread(np.clip(ahead, -LIMIT, LIMIT)),
            layout.spread(usual_ratio(matrix, self.columns.names)),
        )


class Network(nn.Module):
    """From (issues x 2 x past hours, issues x hours x features, issues x hours) to issues x hours x `QUANTILES`."""

    def __init__(self, features: int, spread: float, *, channels: int, hidden: int, dropout: float) -> None:
        super().__init__()
        widths = (2, *(channels,) * len(DILATIONS))
        self.spread = spread
        self.convolutions = nn.ModuleList(
            nn.Conv1d(before, after, KERNEL, dilation=dilation)
            for before, after, dilation in zip(widths, widths[1:], DILATIONS, strict=False)
        )
        self.head = nn.Sequential(
            nn.Linear(features + channels, hidden),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, hidden),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, len(QUANTILES)),
        )

    def forward(self, past: Tensor, ahead: Tensor, usual: Tensor) -> Tensor:
        """Log ratios, ascending along the last axis."""
        read = past
        for convolution, dilation in zip(self.convolutions, DILATIONS, strict=True):
            made = nn.functional.gelu(convolution(nn.functional.pad(read, ((KERNEL - 1) * dilation, 0))))
            read = made if made.shape[1] != read.shape[1] else read + made
        context = read[:, :, -1].unsqueeze(1).expand(-1, ahead.shape[1], -1)
        said = self.head(torch.cat([ahead, context], dim=-1))
        middle = QUANTILES.index(MEDIAN)
        median, step = said[..., middle : middle + 1], nn.functional.softplus(said) * 0.3
        below = median - step[..., :middle].flip(-1).cumsum(-1).flip(-1)
        above = median + step[..., middle + 1 :].cumsum(-1)
        return usual.unsqueeze(-1) + self.spread * torch.cat([below, median, above], dim=-1)


@banded
def fit_sequence(rows: pl.DataFrame, *, kind: str, as_of: datetime, seed: int, **settings: float) -> Fitted:
    """Train the network on issue days known at `as_of`; `NETWORK` may be set otherwise."""
    chosen = settled(NETWORK, settings)
    known = known_rows(rows, kind=kind, as_of=as_of)
    if known is None:
        return Naive()
    seen = covariates(known.matrix, known.columns.names)
    finite = np.ma.masked_invalid(seen)
    mean, scale = finite.mean(axis=0).filled(0.0), finite.std(axis=0).filled(0.0)
    empty = Sequence(b"", known.columns, mean, np.where(scale > 1e-9, scale, 1.0))
    layout = lay_out(known.rows)
    inputs = empty.inputs(known.rows, layout, rows)
    spread = float(np.std(known.target - usual_ratio(known.matrix, known.columns.names))) or 1.0
    network = train(
        inputs, layout.spread(known.target), layout.spread(np.ones(known.rows.height)), spread, seed, chosen
    )
    return Sequence(to_onnx(network, inputs), known.columns, empty.mean, empty.scale)


def train(
    inputs: tuple[Array, Array, Array],
    target: Array,
    known: Array,
    spread: float,
    seed: int,
    settings: dict[str, float],
) -> Network:
    """Minimise the mean pinball loss of the hours whose `known` is 1; one thread, the same bits for the same seed."""
    torch.set_num_threads(1)
    past, ahead, usual, wanted, counts = (torch.from_numpy(a) for a in (*inputs, target, known))
    levels = torch.tensor(QUANTILES)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = Network(
            ahead.shape[-1],
            spread,
            channels=int(settings["channels"]),
            hidden=int(settings["hidden"]),
            dropout=settings["dropout"],
        )
        optimiser = torch.optim.AdamW(
            network.parameters(), lr=settings["learning_rate"], weight_decay=settings["weight_decay"]
        )
        epochs = int(settings["epochs"])
        steps = epochs * -(-len(past) // BATCH)
        rate = torch.optim.lr_scheduler.OneCycleLR(optimiser, settings["learning_rate"], total_steps=steps)
        for _ in range(epochs):
            for chosen in torch.randperm(len(past)).split(BATCH):
                error = (wanted[chosen].unsqueeze(-1) - network(past[chosen], ahead[chosen], usual[chosen])) / spread
                loss = torch.maximum(levels * error, (levels - 1) * error).mean(dim=-1)
                optimiser.zero_grad()
                ((loss * counts[chosen]).sum() / counts[chosen].sum()).backward()
                nn.utils.clip_grad_norm_(network.parameters(), 1.0)
                optimiser.step()
                rate.step()
    return network.eval()


def to_onnx(network: Network, inputs: tuple[Array, Array, Array]) -> bytes:
    """The network for any number of issues, with its weights inside."""
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # it warns of packages that nothing here needs
    program = torch.onnx.export(
        network,
        tuple(torch.from_numpy(a[:2]) for a in inputs),
        input_names=list(INPUTS),
        output_names=["quantiles"],
        dynamic_shapes=tuple({0: torch.export.Dim.DYNAMIC} for _ in inputs),
        dynamo=True,
        verbose=False,
    )
    buffer = io.BytesIO()
    program.save(buffer)
    return buffer.getvalue()


def run(onnx: bytes, inputs: tuple[Array, Array, Array]) -> Array:
    """Issues x hours x `QUANTILES`, by ONNX Runtime with one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(onnx, options, providers=["CPUExecutionProvider"])
    said: Array = session.run(None, dict(zip(INPUTS, inputs, strict=True)))[0]
    return said


def covariates(matrix: Matrix, names: tuple[str, ...]) -> Matrix:
    """The columns of the hourly regressions, and which hour it is."""
    hour = matrix[:, names.index("local_hour")].astype(np.int64)
    return np.column_stack([linear_columns(matrix, names), np.eye(24)[hour]])


def usual_ratio(matrix: Matrix, names: tuple[str, ...]) -> Matrix:
    """What the network learns the distance to: the median of the last days of the same kind."""
    return reference_ratio(matrix, names, "demand_similar_median_log_ratio")


__all__ = ["PAST_HOURS", "Network", "Sequence", "fit_sequence"]
