"""Reward sources, one a file: a batch in, the batch out with a stream of rewards.

The file ``<name>.py`` of a source has its class (``RewardSource`` of ``source.py``), the pure function that it is made
of, and ``open_source``, which opens it for a run. Nothing else knows which sources there are.
"""
