"""The commands and options of the command line, by what the commands are about."""
