"""Which pieces of a table a DuckDB file still stores as they were, without reading them.

Belongs here: row groups, told apart by the checksums of the blocks they stand in. Does not belong here: what their rows
say (`fingerprint`). A row group whose segments are the same, in blocks of the same checksums, has had no row added,
moved or rewritten. Rows may have been deleted out of it: whoever relies on it has to count.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import duckdb
import polars as pl

from energy_assets.warehouse.connection import Warehouse, fetch, first_row

HEADER = 3 * 4096  # bytes before the first block; a block opens with its checksum
CHECKSUM = 8
BLOCKS = "block_checksums"


@contextmanager
def beside_with_blocks(warehouse: Warehouse) -> Iterator[duckdb.DuckDBPyConnection]:
    """`Warehouse.beside`, with the checksum of each block of the working file in the view `block_checksums`.

    The bytes are read while the connection keeps writers out, and their handle is closed after it: to close any handle
    of a file gives up all locks that the process has on it.
    """
    with ExitStack() as closed_last, warehouse.beside() as con:
        file = closed_last.enter_context(warehouse.database.open("rb"))
        row = first_row(
            con,
            "SELECT block_size, total_blocks FROM pragma_database_size() WHERE database_name = ?",
            [warehouse.database.stem],
        )
        assert row is not None
        size, blocks = row
        read = (os.pread(file.fileno(), CHECKSUM, HEADER + block * size) for block in range(blocks))
        checksums = [int.from_bytes(checksum, "little") for checksum in read]
        frame = pl.DataFrame({"checksum": checksums}, schema={"checksum": pl.UInt64}).with_row_index("block")
        con.register(BLOCKS, frame.with_columns(pl.col("block").cast(pl.Int64)).to_arrow())
        yield con


def row_groups(con: duckdb.DuckDBPyConnection, table: str) -> pl.DataFrame:
    """One row per row group of `schema.table`, in order: `first` and `last` row id, and `signature`.

    The signature is null where rows are not in blocks yet, as after a run that was killed.
    """
    return fetch(
        con,
        f"""WITH segments AS (
            SELECT *, unnest(list_prepend(block_id, coalesce(additional_block_ids, []))) AS block
            FROM pragma_storage_info('{table}')
        ), groups AS (
            SELECT
                row_group_id,
                sum(count) FILTER (block = block_id AND column_path = '[0]') AS stored,
                bool_and(persistent AND NOT has_updates) AS settled,
                sum(hash(
                    column_path, segment_id, segment_type, count, compression, stats::VARCHAR, block_offset,
                    block = block_id, checksum
                ))::VARCHAR AS signature
            FROM segments LEFT JOIN {BLOCKS} USING (block)
            GROUP BY row_group_id
        )
        SELECT
            (sum(stored) OVER before - stored)::BIGINT AS first,
            (sum(stored) OVER before - 1)::BIGINT AS last,
            CASE WHEN settled THEN signature END AS signature
        FROM groups
        WINDOW before AS (ORDER BY row_group_id)
        ORDER BY row_group_id""",
    )
