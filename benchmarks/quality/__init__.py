"""Quality of detection: what it finds, whom it wrongs, and what others find on the same markets."""
