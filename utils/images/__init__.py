"""Image files as upright pixels and as headers, and the canvas that a model sees.

May import the leaves, with Pillow and numpy.
Others take decode, read_header and BadImage, and from canvas fit and canvas_for.
"""
