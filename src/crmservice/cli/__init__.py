"""The command line: a file for each command; words for people and exit codes live here."""
