"""docs/studies.md lists every key of a study file with its default, every state, selector and exit code."""

import re
import typing
from pathlib import Path

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from ablate import errors, select
from ablate.plan import PlanState
from ablate.schema import StudyFile
from ablate.yaml_lines import parse

TEXT = (Path(__file__).parents[2] / "docs" / "studies.md").read_text(encoding="utf-8")
ROWS = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in TEXT.splitlines() if line.startswith("| ")]


def keys(model, prefix=""):
    """Dotted key -> default (PydanticUndefined where it is required)."""
    found = {}
    for name, info in model.model_fields.items():
        key = prefix + (info.alias or name)
        inner = next((one for one in (info.annotation, *typing.get_args(info.annotation)) if _is_section(one)), None)
        if inner is None or key == "seeds":
            found[key] = info.default
            continue
        container = typing.get_origin(info.annotation)
        found |= keys(inner, key + {list: "[].", dict: ".*."}.get(container, "."))
    return found


def _is_section(kind):
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def test_every_key_is_listed_with_its_default():
    start = next(i for i, row in enumerate(ROWS) if row[0] == "key")
    known = keys(StudyFile)
    listed = {row[0].strip("`"): row[2] for row in ROWS[start + 1 : start + 1 + len(known)]}
    assert listed.keys() == known.keys()
    for key, default in known.items():
        if default is PydanticUndefined:
            assert listed[key] == "required", key
        else:
            assert parse(listed[key].strip("`"), "page").data == default, key


def test_every_state_selector_and_exit_code_is_listed():
    first = {cell.strip("`") for row in ROWS for cell in row[0].split(", ")}
    assert {*typing.get_args(PlanState), "orphaned"} <= first
    assert {one.split(":")[0] for one in first if re.fullmatch(r"\w+:\S+", one)} >= set(select.KEYS)
    codes = {kind.exit_code for kind in vars(errors).values() if isinstance(kind, type)} | {0, 1, 130, 143}
    assert {str(code) for code in codes} <= first
