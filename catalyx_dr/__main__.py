"""`python -m catalyx_dr` is the `catalyx-dr` command."""

from catalyx_dr.cli import main

main()
