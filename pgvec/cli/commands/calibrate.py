"""``pgvec calibrate``: what work costs on this installation, for the planner."""

from __future__ import annotations

from typing import Annotated

import typer

from pgvec import calibrate as measure
from pgvec.cli.database import open_database
from pgvec.cli.options import Json, Url, check_text, names_in
from pgvec.cli.output import print_json, print_table, print_text
from pgvec.cli.progress import measure_bar
from pgvec.model import CalibrationReport, Costs

__all__ = ["calibrate"]


def calibrate(
    *,
    types: Annotated[
        str | None,
        typer.Option(
            "--types",
            callback=check_text,
            metavar="NAMES",
            help="Some of vector,halfvec,sparsevec,bit; by default those of the columns that there are.",
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Store nothing.")] = False,
    url: Url = None,
    as_json: Json = False,
) -> None:
    """Measure what comparing rows and walking over graphs costs here, and store it for the planner to use."""
    with open_database(url) as engine, measure_bar() as progress:
        report = measure(engine, types=names_in(types, "--types"), store=not dry_run, progress=progress)
    if as_json:
        print_json(report)
    else:
        _print(report)


def _print(report: CalibrationReport) -> None:
    default = Costs()
    names = ("page", "check", "row", "dimension", "detoast", "visit", "visit_dimension")
    print_table(
        ("microseconds", *(calibration.type.value for calibration in report.calibrations), "without calibration"),
        [
            (name, *(getattr(calibration.costs, name) for calibration in report.calibrations), getattr(default, name))
            for name in names
        ],
    )
    print_text(
        f"measured in {report.seconds:.0f} s; "
        + (
            "stored: searches use it within five minutes"
            if report.stored
            else "not stored: leave out --dry-run for that"
        )
    )
