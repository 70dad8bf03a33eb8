"""What runs on a node: sent whole through SSH, started once, standard library of Python 3.9 only.

Nothing here may import another part of kiln. `kiln.nodes.program` lists the modules in the order in which
they are sent.
"""
