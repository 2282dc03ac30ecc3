"""Containers of blobs, in Azure or in a folder, and the images brought to this disk.

May import the leaves; azure.py is the one module that knows Azure, bulk.py that knows obstore.
Others take open_containers, Container, Blob, Missing, Conflict, Damaged, bring_images and Photos.
"""
