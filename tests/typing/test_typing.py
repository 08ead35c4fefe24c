"""What a user's strict mypy sees of the package: its types, and not Any."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

CODE = Path(__file__).with_name("api.py")
# Of these nothing is asserted, and reading them takes minutes.
SETTINGS = """
[mypy]
[mypy-torch.*,diffusers.*,transformers.*]
follow_imports = skip
"""


@pytest.mark.slow
@pytest.mark.skipif(find_spec("mypy") is None, reason="mypy is not installed")
def test_a_strict_user_is_told_the_types(tmp_path: Path) -> None:
    """In a folder without the project's own settings; `assert_type` refuses Any."""
    (tmp_path / "script.py").write_text(CODE.read_text(encoding="utf-8"), encoding="utf-8")
    (tmp_path / "mypy.ini").write_text(SETTINGS, encoding="utf-8")
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file=mypy.ini", "script.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
