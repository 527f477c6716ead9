"""What vendors' tools print, as values. Pure: text in, no files, no commands."""
