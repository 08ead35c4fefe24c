"""Where the checkout's own files are, for tests that read them."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
SEPIA = ROOT / "tests" / "assets" / "sepia.safetensors"
"""A LoRA that was trained on the shipped model."""
