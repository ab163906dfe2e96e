"""What detectors need to know about the market before they judge anyone: expectations, surges and hubs."""
