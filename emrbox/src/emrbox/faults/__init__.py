"""Things that go wrong, each switched on by itself: a table of kinds, a book of those on, where they act."""
