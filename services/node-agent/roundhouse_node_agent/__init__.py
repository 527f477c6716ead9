"""The node-agent service of Roundhouse."""
