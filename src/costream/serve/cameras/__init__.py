"""Cameras as they are read and asked, and the pictures that are kept of them."""
