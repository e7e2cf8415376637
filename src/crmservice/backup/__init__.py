"""Where raw mail is kept: every byte of every message, under a name that nobody outside chose."""
