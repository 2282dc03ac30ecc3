"""The training machine: programs at the top, and what they share in rooms below.

May import utils, never tag; no room imports a program, and no program another program.
Others take nothing: people start the programs, and *.sh several in a row.
"""
