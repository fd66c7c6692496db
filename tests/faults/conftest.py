"""The last words of a campaign: what was tried, area by area, and what was survived."""

import os

import pytest
from campaign import RESULTS, summary


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the table (``make test-faults``)."""
    if os.environ.get("FAULTS") == "all" and RESULTS:
        terminalreporter.write_line(f"\n{summary(RESULTS)}")
