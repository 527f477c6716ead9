"""The playground: a chat with one model or several side by side."""
