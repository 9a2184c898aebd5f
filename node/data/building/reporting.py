"""The report, for people: the same facts as Markdown and as a page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from node.data.building.choices import Choices
from node.data.building.facts import Report, report_of
from node.data.building.journal import Journal
from node.data.building.page import page
from node.data.building.words import markdown
from shared.disk import write


def write_report(source: Path, choices: Choices, meta: dict[str, Any], journal: Journal) -> Report:
    """`report.md` and `report.html` beside the shards."""
    report = report_of(source, meta, choices, journal)
    write(source / "report.md", markdown(report).encode())
    write(source / "report.html", page(report).encode())
    return report
