"""The scheduler service of Roundhouse."""
