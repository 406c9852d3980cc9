"""Bytes from outside, made up by a machine: no input may bring anything but the agent's own errors, nor take a second or 50 MB."""
