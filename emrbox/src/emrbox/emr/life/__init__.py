"""How clusters, groups and steps live: states as tables, the engine that moves them, events, the clock."""
