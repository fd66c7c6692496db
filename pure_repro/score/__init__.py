"""Accuracy on held-out sets."""
