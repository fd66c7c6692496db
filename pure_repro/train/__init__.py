"""The reinforcement loop, and what it is made of."""
