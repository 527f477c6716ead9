"""The router service of Roundhouse."""
