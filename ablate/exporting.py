"""A study's finished cells as one tidy table: what ``ablate export`` writes."""

import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from ablate.configs import difference
from ablate.errors import UsageError
from ablate.reporting import reading
from ablate.store import Json, Store
from ablate.variants import BASELINE

if TYPE_CHECKING:
    from reports.export import Record

Format = Literal["csv", "parquet"]


@dataclass(frozen=True, slots=True)
class Tidy:
    """A table of records; ``columns`` are the names and types of all of them, in order."""

    columns: Mapping[str, type]
    records: "Sequence[Record]"

    def csv(self) -> str:
        """As CSV: full precision, empty for missing."""
        from reports.tables import to_csv

        empty = dict.fromkeys(self.columns)
        return to_csv([empty | record for record in self.records]) or ",".join(self.columns) + "\n"

    def parquet(self) -> bytes:
        """As a Parquet file with typed columns; missing values are nulls.

        Raises:
            UsageError: pyarrow is not installed.
        """
        try:
            import pyarrow
            from pyarrow import parquet
        except ImportError:
            raise UsageError(
                "Parquet needs pyarrow, which `ray[tune]` and `mlflow` bring: `pip install pyarrow`, "
                "or write CSV (`--format csv`)."
            ) from None
        kinds = {str: pyarrow.string(), int: pyarrow.int64(), float: pyarrow.float64(), bool: pyarrow.bool_()}
        schema = pyarrow.schema([(name, kinds[kind]) for name, kind in self.columns.items()])
        buffer = io.BytesIO()
        parquet.write_table(pyarrow.Table.from_pylist(list(self.records), schema=schema), buffer)
        return buffer.getvalue()


def tidy(manifest: Json, store: Store, *, curves: bool, with_tuning: bool = False) -> Tidy:
    """The cells of a study's last run; with a ``tune:`` block also those of the retuned arms.

    Args:
        manifest: Of that run.
        store: Where the cells lie.
        curves: One row per evaluation instead of one per cell.
        with_tuning: Also the tuning runs, before the retuned arms.

    Raises:
        StoreError: The cells cannot be read as runs of one study.
    """
    from reports.export import POINT_COLUMNS, RUN_COLUMNS, columns_of, point_records, run_records
    from reports.scores import load
    from reports.tune import retuned_manifest, tuned_values, tuning_manifests

    stages = [("main", manifest)]
    stages += [("tune", one) for one in tuning_manifests(manifest) if with_tuning]
    if (retuned := retuned_manifest(manifest)) is not None:
        stages.append(("retuned", retuned))
    values = tuned_values(manifest)
    base = _config(_cells_of(manifest, BASELINE), store)
    records: list[Record] = []
    with reading():
        for stage, one in stages:
            table = load(one)
            records += (
                point_records(table, stage, values)
                if curves
                else run_records(table, _deltas(one, base, store), stage, values)
            )
    return Tidy(columns_of(records, POINT_COLUMNS if curves else RUN_COLUMNS), records)


def _deltas(manifest: Json, base: Json | None, store: Store) -> dict[str, str]:
    """Variant -> ``{"field": [baseline's value, its own]}`` as JSON, from the cells that began."""
    found = {}
    for variant in manifest["variants"]:
        own = _config(_cells_of(manifest, variant["name"]), store)
        if base is not None and own is not None:
            delta: dict[str, Any] = dict(difference(base["config"], own["config"]))
            if base["name"] != own["name"]:
                delta = {"algorithm": [base["name"], own["name"]], **delta}
            found[variant["name"]] = json.dumps(delta, ensure_ascii=False) if delta else ""
    return found


def _cells_of(manifest: Json, variant: str) -> list[str]:
    return [entry["hash"] for entry in manifest["cells"] if entry["variant"] == variant]


def _config(hashes: Iterable[str], store: Store) -> Json | None:
    """Name and resolved config of the first cell that began: they are the same in all cells of one variant."""
    identities = (store.cell(one).identity() for one in hashes)
    return next((found["algorithm"] for found in identities if found is not None), None)
