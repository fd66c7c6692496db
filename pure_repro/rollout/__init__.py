"""Responses out of a policy, and where their steps end."""
