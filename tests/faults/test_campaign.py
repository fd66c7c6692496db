"""The campaign's faults that need no process of their own: each is survived."""

import os
from pathlib import Path

import of_commands
import of_files
import of_stores
import of_words
import pytest
from campaign import RESULTS, Fault, summary, trouble

WORDS, COMMANDS = [*of_words.faults()], [*of_commands.faults()]
if os.environ.get("FAULTS") != "all":  # make test-faults tries all; to compose takes a third of a second
    WORDS, COMMANDS = WORDS[:66:6], COMMANDS[::13]
FAULTS = [*of_files.faults(), *of_stores.faults(), *WORDS, *COMMANDS]
AREAS = sorted({fault.area for fault in FAULTS})


@pytest.mark.parametrize("area", AREAS)
def test_faults_of(area: str, tmp_path: Path) -> None:
    wrong = {}
    for number, fault in enumerate(fault for fault in FAULTS if fault.area == area):
        folder = tmp_path / str(number)
        folder.mkdir()
        RESULTS.append((fault, trouble(fault, folder)))
        if (said := RESULTS[-1][1]) is not None:
            wrong[fault.name] = said
    assert not wrong


def test_the_campaign_sees_what_is_not_survived(tmp_path: Path) -> None:
    """A traceback, another sentence, no word and another result are four ways not to survive."""

    def other() -> None:
        raise AssertionError("another")

    bad = [
        Fault("a", "traceback", lambda f: {}["x"], "x"),
        Fault("a", "no word", lambda f: None, "x"),
        Fault("a", "other result", lambda f: other(), None),
        Fault("a", "right", lambda f: None, None),
    ]
    results = [(fault, trouble(fault, tmp_path)) for fault in bad]
    assert [wrong is None for _, wrong in results] == [False, False, False, True]
    assert summary(results).splitlines()[-1].split() == ["sum", "4", "1"]
