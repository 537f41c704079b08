"""Builds the wheel, installs it into a fresh environment outside of the checkout, and uses it there: ``make wheel-test``."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).parents[2]
EXTRAS = "embedded,cli"


def main() -> None:
    # What the caller's environment says about pgvec must not help the installed one.
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PGVEC_", "PYTHON"))}
    with tempfile.TemporaryDirectory(prefix="pgvec-wheel-") as folder:
        Path(folder).chmod(0o755)

        def run(*command: str | Path) -> None:
            subprocess.run(command, cwd=folder, env=environment, check=True)

        run(sys.executable, "-m", "build", "--wheel", "--outdir", folder, ROOT)
        (wheel,) = Path(folder).glob("pgvec-*.whl")
        venv.create(Path(folder) / "venv", with_pip=True)
        python = Path(folder) / "venv" / "bin" / "python"
        constraints = ("-c", ROOT / "constraints.txt")
        run(
            python,
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            *constraints,
            f"pgvec[{EXTRAS}] @ {wheel.as_uri()}",
        )
        run(python, "-I", ROOT / "tests" / "wheel" / "smoke.py", Path(folder) / "server", ROOT)
    sys.stdout.write(f"{wheel.name} works outside of the checkout\n")


if __name__ == "__main__":
    main()
