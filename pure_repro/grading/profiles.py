"""Which rules grade. One profile, one module, one yaml under ``conf/grading``, all of the same name."""

import importlib
from types import ModuleType

PROFILES = ("strict", "published", "math_verify")


def rules(profile: str) -> ModuleType:
    """The module of a profile: ``extract(response)`` and ``judge(answer, reference, rel_tol, abs_tol, algebra)``.

    Raises ``ValueError`` for a name that is none.
    """
    if profile not in PROFILES:
        raise ValueError(f"grading.profile: {profile!r} is none of {', '.join(PROFILES)}.")
    return importlib.import_module(f"pure_repro.grading.{profile}")
