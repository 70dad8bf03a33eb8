"""Things that go wrong, each switched on by itself: a table of kinds, a book of what is on, and where it acts."""
