"""This host as a node of a Roundhouse elsewhere: joining it, running the node agent. It needs no other service."""
