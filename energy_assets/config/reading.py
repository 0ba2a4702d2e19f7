"""Reads `sources.yaml` and says what is wrong by line, never by stack trace."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from energy_assets.config.models import WarehouseConfig


class ConfigError(ValueError):
    """`sources.yaml` cannot be used. The message lists every fault with its line and what was expected."""


def load_config(path: Path) -> WarehouseConfig:
    """The validated content of a `sources.yaml`.

    Raises:
        ConfigError: the file is absent, no YAML, or does not describe a warehouse.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise ConfigError(
            f"{path}: not found. A warehouse is a folder with a sources.yaml; copy the one in warehouse/ and adapt it."
        ) from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8 text ({error.reason} at byte {error.start})") from None
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        content = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ConfigError(f"{path}:{line}: not valid YAML: {error.problem}") from None
    if not isinstance(content, dict):
        raise ConfigError(f"{path}:1: a mapping with `market`, `forecast` and `sources` is expected")
    try:
        return WarehouseConfig.model_validate(content)
    except ValidationError as error:
        lines = [f"{path}:{_line(node, e['loc'])}: {_where(e['loc'])}: {e['msg']}" for e in error.errors()]
        raise ConfigError("\n".join(lines)) from None


def _line(node: Any, location: tuple[int | str, ...]) -> int:
    """Line of the deepest node that the error's location leads to."""
    line: int = node.start_mark.line + 1
    for step in location:
        if isinstance(node, yaml.MappingNode):
            found = next(((k, v) for k, v in node.value if k.value == step), None)
            if found is None:
                continue  # pydantic names the union's branch too; the file does not
            line, node = found[0].start_mark.line + 1, found[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
            node = node.value[step]
            line = node.start_mark.line + 1
    return line


def _where(location: tuple[int | str, ...]) -> str:
    return ".".join(str(step) for step in location) or "file"
