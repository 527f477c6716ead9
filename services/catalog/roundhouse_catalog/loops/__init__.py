"""The periodic work of the catalog. What is level-triggered is in `bus/publications.py`."""
