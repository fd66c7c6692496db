"""What numbers are called in the tracker, where pages sort groups by name: accuracy comes first, workings come last."""

import re

ACCURACY = {
    "accuracy": "accuracy/training",
    "validation/greedy": "accuracy/validation greedy",
    "validation/sampled": "accuracy/validation sampled",
}
CONSTANT = ("policy/clipped", "policy/ratio")  # with one update a step, as most runs have
LAST = "workings"  # the name of the last group


def shown_as(name: str) -> str:
    """A recorded metric's name in the tracker.

    >>> shown_as("validation/sampled"), shown_as("seconds/grade"), shown_as("reward/process")
    ('accuracy/validation sampled', 'workings/seconds grade', 'reward/process')
    """
    if name in CONSTANT or name.startswith(("seconds/", "sampler/")):
        return f"{LAST}/{name.replace('/', ' ')}"
    return ACCURACY.get(name, name)


def arm_metric(arm: str, what: str) -> str:
    """The metric of a table or sweep that holds a figure of one arm, in the letters that MLflow takes.

    >>> arm_metric("PURE-PRM+VR 10 %, min", "score")
    'arm score/PURE-PRM VR 10 min'
    """
    words = re.split(r"[^\w.:-]+", arm)
    return f"arm {what}/{' '.join(filter(None, words))}"
