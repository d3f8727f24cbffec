"""Records of experiments as files: picture (.png, .pdf), tidy data (.csv), and how they came about (.json)."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from io import StringIO
from pathlib import Path
from typing import Any

from dnc.environment import versions
from dnc.errors import DataError, DncError, short_repr
from dnc.experiments.protocol import Experiment, Options, Record
from dnc.experiments.statistics import Verdict
from dnc.files import replacing
from dnc.plots.style_matplotlib import save
from dnc.training.engine import machine_name

FORMAT = 1  # of the .json file
VOLATILE_FACTS = ("date", "seconds", "trained_in_this_run")  # differ each time, though the results are the same


def write(
    experiment: Experiment, record: Record, claims: Sequence[Verdict], folder: Path, *, data: bool = True
) -> tuple[Path, ...]:
    """Write a record and its picture, and return the files.

    Args:
        experiment: draws the picture and names the files.
        record: what it found.
        claims: verdicts to keep with the record.
        folder: where to; it is made if need be.
        data: False writes the picture alone.

    Raises:
        DncError: a file cannot be written.
    """
    name = experiment.name
    figure = experiment.draw(record)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        paths = save(figure, folder, name)
        if not data:
            return paths
        table, facts = folder / f"{name}.csv", folder / f"{name}.json"
        _write_text(table, record.frame.to_csv(index=False, lineterminator="\n"))
        content = {"format": FORMAT, **record.facts, "claims": [c.to_dict() for c in claims]}
        if record.facts.get("trained_in_this_run", 0) == 0 and _same(facts, content):
            # Nothing is new: date and duration stay those of the run that trained, not of the one that looked it up.
            return (*paths, table, facts)
        _write_text(facts, json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n")
    except OSError as error:
        raise DncError(f"out={str(folder)!r} cannot be written ({error.strerror}): give another folder") from error
    return (*paths, table, facts)


def read(name: str, folder: Path) -> Record:
    """Read a record that `write` wrote.

    Raises:
        DataError: it is absent or damaged.
    """
    import pandas as pd

    table, facts = folder / f"{name}.csv", folder / f"{name}.json"
    missing = [p.name for p in (table, facts) if not p.is_file()]
    if missing:
        raise DataError(
            f"records={str(folder)!r} has no {' and no '.join(missing)}: run it first (without --replot), or give the "
            "folder where they are"
        )
    try:
        content = json.loads(facts.read_text(encoding="utf-8"))
        text = StringIO(table.read_text(encoding="utf-8"))
        frame = pd.read_csv(text, keep_default_na=False, na_values=[""])  # "None" and "NA" may be names
        if not isinstance(content, dict) or content.get("format") != FORMAT:
            raise ValueError(f"format {content.get('format') if isinstance(content, dict) else None!r}, not {FORMAT}")
    except (OSError, ValueError) as error:
        raise DataError(
            f"{name} in records={str(folder)!r} cannot be read ({short_repr(str(error))}): run it again"
        ) from error
    return Record(frame, {k: v for k, v in content.items() if k not in ("format", "claims")})


def provenance(options: Options, seconds: float, family: str | None = None) -> dict[str, Any]:
    """How a record came about: the facts that every one has (scale, date, wall seconds, hardware, versions).

    Args:
        options: what the user asked for.
        seconds: wall time of the experiment.
        family: "mlp" or "cnn" if it trained such networks, as the engine depends on it; else None.
    """
    engine = options.engine(family)
    return {
        "scale": options.scale_name(),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds": round(seconds, 3),
        "hardware": {
            "machine": machine_name(engine),
            "engine": engine.id,
            "workers": options.worker_count(),
            "cores": os.cpu_count(),
            "system": f"{platform.system()} {platform.machine()}",
        },
        "versions": {**versions(), "pandas": version("pandas"), "matplotlib": version("matplotlib")},
    }


def _same(path: Path, content: Mapping[str, Any]) -> bool:
    """Whether the file has this content, apart from `VOLATILE_FACTS`."""
    try:
        old = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    new = json.loads(json.dumps(content))  # as it would be read back: lists for tuples, text for keys
    return isinstance(old, dict) and all(old.get(k) == new.get(k) for k in {*old, *new} if k not in VOLATILE_FACTS)


def _write_text(path: Path, text: str) -> None:
    with replacing(path) as part:
        part.write_text(text, encoding="utf-8")
