"""The Faust side: application, transport, scheduler, agents and the state table."""
