"""This host as a node of a Roundhouse elsewhere: joining it, and running the node agent. Needs no other service here."""
