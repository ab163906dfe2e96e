"""Peers: what others do on the same input, each with its authors' usual settings, each in a small file of its own.

Every peer ranks accounts by a score; those that also name groups publish them. Where a line has to be drawn, all get
the one from which half of the abusers are caught: they are given the truth for that, which no platform has."""
