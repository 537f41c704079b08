"""A context in which the model libraries print nothing."""

from __future__ import annotations

import importlib
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["quiet"]

# What is switched off belongs to the process, so one model at a time is fetched or loaded.
_lock = threading.RLock()


@contextmanager
def quiet() -> Iterator[None]:
    """Keep progress bars, warnings and reports of the model libraries off the terminal, then restore what the caller had."""
    with _lock, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logging = importlib.import_module("transformers.utils.logging")
        hub = importlib.import_module("huggingface_hub.utils")
        bars, hub_bars, verbosity = (
            logging.is_progress_bar_enabled(),
            not hub.are_progress_bars_disabled(),
            logging.get_verbosity(),
        )
        logging.disable_progress_bar()
        logging.set_verbosity_error()
        try:
            yield
        finally:
            logging.set_verbosity(verbosity)
            if bars:
                logging.enable_progress_bar()
            if hub_bars:
                hub.enable_progress_bars()
            else:
                hub.disable_progress_bars()
