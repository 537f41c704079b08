"""Programs that a newcomer may lack: a test skips with the reason, and fails instead where ``PGVEC_CI=1`` promises them."""

from __future__ import annotations

import os
import shutil
from typing import NoReturn

import pytest

# Debian keeps daemons in folders that are not on an ordinary user's PATH.
_SEARCH_PATH = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/local/sbin", "/usr/sbin", "/sbin"])


def require_program(name: str, reason: str) -> str:
    """Return the path of a program, or skip (in CI: fail) saying why it is needed."""
    found = shutil.which(name, path=_SEARCH_PATH)
    if found is None:
        missing(f"{name} is not installed: {reason}")
    return found


def missing(reason: str) -> NoReturn:
    """Skip the test because the machine lacks something; fail where CI has installed it."""
    if os.environ.get("PGVEC_CI") == "1":
        pytest.fail(f"{reason} (PGVEC_CI=1 promises it)", pytrace=False)
    pytest.skip(reason)
