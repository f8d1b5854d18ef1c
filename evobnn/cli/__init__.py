"""The command line. `app` says which commands there are and `commands` which options; neither imports anything heavy.
What they do stands in a file each, loaded when it is asked for. `entry.main` turns every expected error into one
message and exit code 2.
"""

from evobnn.cli.entry import main

__all__ = ["main"]
