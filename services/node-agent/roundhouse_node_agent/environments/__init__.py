"""Engines' own environments: recipes, installation, removal, containers, and which of them a replica runs in."""
