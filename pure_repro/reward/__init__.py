"""Reward streams: what a response earns, kept apart until their advantages are added."""
