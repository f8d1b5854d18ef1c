"""`python -m evobnn` is `evobnn`."""

from evobnn.cli.entry import main

if __name__ == "__main__":
    main()
