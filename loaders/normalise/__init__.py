"""Normalisers of personal identifiers: one canonical string for the many ways a device, phone or address is written."""
