"""How a project stands: its figures, what to do next, what is broken in it, and what may go.

May import every other room of utils.
Others take summary, screen, check and prune.
"""
