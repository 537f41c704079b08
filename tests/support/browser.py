"""Headless Chromium, as a person would use it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from fix_programs import missing, require_program

__all__ = ["open_browser"]

_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--window-size=1100,900",
)


@contextmanager
def open_browser(folder: Path) -> Iterator[Any]:
    """Yield a browser that keeps its files in a folder; the test skips with the reason where there is none."""
    require_program("chromium", "it shows the page (apt-get install chromium)")
    require_program("chromedriver", "it drives Chromium (apt-get install chromium-driver)")
    if find_spec("selenium") is None:
        missing("selenium is not installed: it uses the page")
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = str(shutil.which("chromium"))
    for flag in (*_FLAGS, f"--user-data-dir={folder}"):
        options.add_argument(flag)
    browser = webdriver.Chrome(options=options, service=webdriver.ChromeService(shutil.which("chromedriver")))
    try:
        yield browser
    finally:
        browser.quit()
