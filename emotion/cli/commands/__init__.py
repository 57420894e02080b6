"""The subcommands of `emotion`, one module for each group."""
