"""What no algorithm may do: arms that are set aside, and shares that none goes below."""
