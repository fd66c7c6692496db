"""From a configuration to finished stages."""

from pathlib import Path

CONF = Path(__file__).resolve().parents[2] / "conf"
