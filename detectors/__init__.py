"""Pure detection: a snapshot goes in, findings come out. `detectors.pipeline.detect` is the public face."""
