"""Link detectors: each turns one kind of coincidence between accounts into evidence in star form."""
