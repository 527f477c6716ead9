"""What the console itself keeps: browser sessions, preferences and conversations."""
