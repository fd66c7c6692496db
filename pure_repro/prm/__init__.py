"""The process reward model: labels, two-stage fit, scores, and the gate it passes before any reinforcement."""
