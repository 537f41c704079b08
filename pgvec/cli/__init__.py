"""The command line; ``docs/cli.md`` describes it.

Commands parse and print. What they do lies in functions below them, which tests and other programs call.
"""
