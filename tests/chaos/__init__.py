"""Fault injection: each program breaks one thing many times over and prints one line of figures."""
