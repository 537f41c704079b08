"""Kills, freezes and cuts off workers under load, and then looks whether anything was lost."""
