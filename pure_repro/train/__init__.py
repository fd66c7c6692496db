"""Weights change here: supervised fits, the reinforcement loop, checkpoints."""
