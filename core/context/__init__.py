"""What is known of a request before deciding, as a feature vector and as a segment."""
