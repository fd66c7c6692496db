"""Find the answer in a response. Every scan is linear, so a response of any length costs little."""

from pure_repro.grading.tex import closing_brace

BOXES = (r"\boxed", r"\fbox", r"\framebox")


def last_boxed(response: str) -> str | None:
    r"""The content of the last box, or ``None`` where it is missing, unclosed or empty.

    The last box wins even if it is unusable: a response that was cut inside its final answer has none.

    >>> last_boxed(r"so \boxed{1}, no: \boxed{\frac{1}{2}}.")
    '\\frac{1}{2}'
    >>> last_boxed(r"\boxed{\boxed{7}}")
    '7'
    >>> last_boxed(r"\boxed{1} and then \boxed{2") is None
    True
    """
    start = max(response.rfind(box) for box in BOXES)
    if start < 0:
        return None
    brace = response.find("{", start)
    if brace < 0 or response[start:brace].strip() not in BOXES:
        return None
    end = closing_brace(response, brace)
    return (response[brace + 1 : end].strip() or None) if end is not None else None
