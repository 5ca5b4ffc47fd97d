"""Runs the command line as `python -m jaxmm`."""

from jaxmm.cli import main

if __name__ == "__main__":
    main()
