"""Files and folders become texts."""

from pgvec.rag.reading.documents import read_document, read_file
from pgvec.rag.reading.files import Folder, FoundFile, find_files
from pgvec.rag.reading.formats import FORMATS, format_of

__all__ = ["FORMATS", "Folder", "FoundFile", "find_files", "format_of", "read_document", "read_file"]
