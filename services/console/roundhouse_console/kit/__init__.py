"""What pages are made of: the shell, panels, tables, dialogs, charts, live values."""
