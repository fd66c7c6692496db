"""Tracking: what a number came from, and runs in MLflow."""
