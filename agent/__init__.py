"""Reads vehicle identification numbers at a gate and tells the yard over MQTT."""

__version__ = "0.1.0"
