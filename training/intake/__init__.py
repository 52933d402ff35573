"""Intake of a labelled batch, before anything is trained on it: what is unreadable, copied, leaked, shifted or mislabelled."""

from training.intake.decisions import Applied, apply_decisions, read_decisions, write_template
from training.intake.page import describe, write_page
from training.intake.reading import Incoming, read_incoming
from training.intake.report import Report, clean, examine

__all__ = [
    "Applied",
    "Incoming",
    "Report",
    "apply_decisions",
    "clean",
    "describe",
    "examine",
    "read_decisions",
    "read_incoming",
    "write_page",
    "write_template",
]
