"""The shell that makes the router durable: Faust app, transport, table, cycle, command line."""
