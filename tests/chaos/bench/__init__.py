"""Faults that need hardware: programs for a bench computer beside a real device, each of which prints one line of figures."""
