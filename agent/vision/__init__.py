"""Pixels in, values out: no camera, no clock, no disk."""
