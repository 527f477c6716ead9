"""The subcommands, a module for each noun. They print; what they print is decided elsewhere."""
