"""A reward model on solutions that somebody has judged: scores, figures with intervals, two models compared."""
