"""The commands: each module parses the options of one, calls what does the work, and prints what comes back."""
