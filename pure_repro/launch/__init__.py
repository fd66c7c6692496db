"""From a configuration to finished stages."""
