"""Where model files come from: which files a source has, how large they are, and where each can be had."""
