"""The decision science: pure functions and state machines, no I/O, no clock, no outside chance."""
