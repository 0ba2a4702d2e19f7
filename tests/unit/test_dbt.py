"""The manifest: made where it is missing, old or half-written, and else left alone."""

from __future__ import annotations

import json
import os
from pathlib import Path

from energy_assets.dbt import ensure_manifest
from energy_assets.settings import Settings
from tests.warehouses import Folder


def test_a_manifest_is_made_anew_when_it_is_missing_old_or_half_written(tmp_path: Path) -> None:
    folder = Folder.make(tmp_path / "warehouse")
    with folder.environment():
        manifest = ensure_manifest(Settings())
        whole = manifest.read_bytes()
        assert json.loads(whole)["nodes"]
        assert manifest.is_relative_to(folder.path)

        written = manifest.stat().st_mtime_ns
        assert ensure_manifest(Settings()).stat().st_mtime_ns == written

        parse = manifest.with_name("partial_parse.msgpack")
        for half in (manifest, parse):  # as a kill leaves them, being written in place
            half.write_bytes(half.read_bytes()[:1000])
        assert json.loads(ensure_manifest(Settings()).read_bytes())["nodes"].keys() == json.loads(whole)["nodes"].keys()

        os.utime(manifest, (0, 0))
        assert ensure_manifest(Settings()).stat().st_mtime > 0
