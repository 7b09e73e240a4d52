"""Composition root: the only room that names adapters and configuration together.

``place`` turns settings into paths and secrets, ``sources`` into connections, ``compose`` puts the parts together, ``run``
starts and stops them, ``health`` says how they are.
"""
