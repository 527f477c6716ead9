"""What nodes should keep ready beside what they run: engines and model files.

`orders.py` is what administrators ordered, `documents.py` what each node is told of it, `settling.py` when a removal is
over, `standing.py` how far each node is, in words. All of it is pure, and apart from placement and assignments.
"""
