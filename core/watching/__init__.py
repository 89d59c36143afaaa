"""What is counted to see that something is wrong: windows of metrics, and the join rate."""
