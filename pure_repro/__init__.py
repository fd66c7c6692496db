"""Reinforcement fine-tuning of reasoning models, with the credit form as a choice."""
