"""Texts that find pictures, and pictures that find texts, by a small model trained here."""
