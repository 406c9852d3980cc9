"""Lets `python -m agent` be the same command as `vin-agent`."""

import sys

from agent.cli import main

sys.exit(main())
