"""Fetches model files, and keeps them: one transfer engine and one content-addressed store for all sources."""
