"""The command line. `app` says which commands and options there are and imports nothing heavy; what they do stands in
a file each, loaded when it is asked for. `entry.main` turns every expected error into one message and exit code 2.
"""

from evobnn.cli.entry import main

__all__ = ["main"]
