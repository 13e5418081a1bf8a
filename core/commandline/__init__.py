"""The sub-commands, one a file; torch is imported only where a command needs it."""
