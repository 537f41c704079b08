"""Models of sentence-transformers on this machine: found, checked, loaded, and used by one caller at a time."""

from pgvec.local_models.held import HeldModel
from pgvec.local_models.holder import ModelHolder
from pgvec.local_models.loading import load_model, require_library
from pgvec.local_models.model_source import HubModel, LocalModel, ModelSource, find_model

__all__ = [
    "HeldModel",
    "HubModel",
    "LocalModel",
    "ModelHolder",
    "ModelSource",
    "find_model",
    "load_model",
    "require_library",
]
