"""Reads `sources.yaml` and says what is wrong by line, never by stack trace."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from energy_assets.config.models import WarehouseConfig

# No warehouse comes near these; a file that does is a mistake, or meant to take all memory.
LARGEST_BYTES = 20_000_000
LARGEST_NODES = 1_000_000
MOST_FAULTS = 50
MERGE = "tag:yaml.org,2002:merge"


class ConfigError(ValueError):
    """`sources.yaml` cannot be used. The message lists every fault with its line and what was expected."""


def load_config(path: Path) -> WarehouseConfig:
    """The validated content of a `sources.yaml`.

    Raises:
        ConfigError: the file is absent, no YAML of plain data, or does not describe a warehouse.
    """
    node = _checked_node(path)
    try:
        content = yaml.SafeLoader("").construct_document(node)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ConfigError(f"{path}:{line}: not valid YAML: {error.problem}") from None
    except (ValueError, OverflowError, RecursionError) as error:  # 2024-13-45 looks like a date and is none
        raise ConfigError(f"{path}: not valid YAML: {error}; put quotes around it if it is text") from None
    if not isinstance(content, dict):
        raise ConfigError(f"{path}:1: a mapping with `market`, `forecast` and `sources` is expected")
    try:
        return WarehouseConfig.model_validate(content)
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False, include_input=False)
        lines = [f"{path}:{_line(node, e['loc'])}: {_where(e['loc'])}: {e['msg']}" for e in found[:MOST_FAULTS]]
        more = [f"{path}: {len(found) - MOST_FAULTS} more faults"] if len(found) > MOST_FAULTS else []
        raise ConfigError("\n".join([*lines, *more])) from None


def _checked_node(path: Path) -> yaml.Node:
    """The document as nodes: plain data only, no key twice, and no more of it than a person writes."""
    try:
        if path.stat().st_size > LARGEST_BYTES:
            raise ConfigError(f"{path}: more than {LARGEST_BYTES / 1e6:.0f} MB; this is no sources.yaml")
        node = yaml.compose(path.read_text(encoding="utf-8-sig"), Loader=yaml.SafeLoader)
    except FileNotFoundError:
        raise ConfigError(
            f"{path}: not found. A warehouse is a folder with a sources.yaml; copy the one in warehouse/ and adapt it."
        ) from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8 text ({error.reason} at byte {error.start})") from None
    except yaml.reader.ReaderError as error:
        raise ConfigError(
            f"{path}: not valid YAML: character {error.position} is #x{error.character:x}: {error.reason}"
        ) from None
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ConfigError(f"{path}:{line}: not valid YAML: {error.problem}") from None
    except RecursionError:
        raise ConfigError(f"{path}: not valid YAML: nested too deeply") from None
    if node is None:
        raise ConfigError(f"{path}:1: empty; a mapping with `market`, `forecast` and `sources` is expected")
    if _size(node, {}, path) > LARGEST_NODES:
        raise ConfigError(f"{path}: more than {LARGEST_NODES:,} entries once every `*alias` is written out")
    return node


def _size(node: yaml.Node, known: dict[int, int], path: Path) -> int:
    """How many nodes a document has once its aliases are written out; an alias within itself would never end."""
    if id(node) in known:
        if not known[id(node)]:
            raise ConfigError(f"{path}:{node.start_mark.line + 1}: an alias within what it stands for")
        return known[id(node)]
    known[id(node)] = 0  # not yet counted
    children: list[yaml.Node] = []
    if isinstance(node, yaml.MappingNode):
        seen: set[tuple[str, str]] = set()
        for key, value in node.value:
            name = (key.tag, str(key.value))
            if isinstance(key, yaml.ScalarNode) and name in seen and key.tag != MERGE:
                raise ConfigError(f"{path}:{key.start_mark.line + 1}: {key.value} stands twice; one would be lost")
            seen.add(name)
            children += [key, value]
    elif isinstance(node, yaml.SequenceNode):
        children = node.value
    known[id(node)] = 1 + sum(_size(child, known, path) for child in children)
    return known[id(node)]


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
