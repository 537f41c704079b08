"""Adopting a table that exists: what is written for it, and what is done to it."""
