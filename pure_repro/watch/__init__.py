"""Signals of reward hacking and collapse."""
