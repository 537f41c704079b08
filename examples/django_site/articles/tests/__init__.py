"""Tests of the site, run by ``manage.py test``."""
