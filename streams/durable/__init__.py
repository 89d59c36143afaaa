"""The durability protocol of one partition: who owns it, what is written, what may be published.

Nothing here does I/O by itself: the engine appends, awaits and publishes, and the model test drives
the same code over a fake log.
"""
