"""The catalog service of Roundhouse."""
