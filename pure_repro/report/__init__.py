"""Reports: the finished stage folders of an experiment's cells in; tables, figures and verdicts out.

There is one report. What differs between experiments stands in their ``claims.yaml`` (``pure_repro.report.about``).
The same stage folders give the same bytes: nothing here depends on the clock, on paths or on chance.
"""

from pure_repro.report.about import About, Experiment
from pure_repro.report.cells import Cell, Missing
from pure_repro.report.experiment import read_experiment
from pure_repro.report.screen import screen
from pure_repro.report.write import Report, write_report

__all__ = ["About", "Cell", "Experiment", "Missing", "Report", "read_experiment", "screen", "write_report"]
