"""Cameras on a cluster, on Ray."""
