"""Recipes: named combinations of networks, penalties and settings."""
