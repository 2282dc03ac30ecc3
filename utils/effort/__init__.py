"""What people's work costs in seconds: what they did with the boxes they were shown.

May import boxes, config, labels and what labels may import.
Others take Seconds and compare.
"""
